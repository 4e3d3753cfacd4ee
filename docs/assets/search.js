// The search: every section of a language's pages is scored by the words of the query it holds. What is searched comes
// from hooks/search_index.py, as scripts that are loaded when search is first used, from a copy on disk just as well.
const COUNTS = { title: 6, topics: 2, text: 1, code: .3 }; // what a mention counts; topics: bold, or a row's first cell
// Where short sections have many words as titles: names in the API, whose use stands elsewhere; symptoms and terms, which
// are looked for by whole sentences of errors or by a word, and the page that teaches the word comes first.
const ASIDE = [[/^reference\/api/, .6], [/^(symptoms|reference\/glossary)/, .75]];
const SHOWN = 20, WORTH = .2; // hits at most, and which share of the best hit's score they need
const BEFORE = 40; // characters of an excerpt before what was found
const CHINESE = /[\u3400-\u9fff]/;
const SCRIPTS = ["read.js", "looked-up.js"]; // each adds its sections to what is searched
const BOLD = "\0"; // stands before and after what is bold in a text

/** Bring an index into the form that is searched: lower case, and one text for each kind of mention. */
function readIndex({ synonyms, sections }) {
  const entries = sections.map((section) => {
    const parts = section.text.map((each) => each.split(BOLD)), text = parts.map((each) => each.join(""));
    const bold = parts.flatMap((each) => each.filter((_, i) => i % 2));
    return {
      section: { ...section, text },
      title: section.title.toLowerCase(),
      topics: [...bold, ...section.rows.map(([topic]) => topic)].join("\n").toLowerCase(),
      text: [...text, ...section.rows.map(([, rest]) => rest)].join("\n").toLowerCase(),
      code: section.code.join("\n").toLowerCase(),
    };
  });
  const lengths = entries.map((entry) => entry.topics.length + entry.text.length);
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length;
  entries.forEach((entry, i) => { entry.damping = 1 + lengths[i] / mean; });
  return { synonyms: Object.entries(synonyms), entries };
}

/** Return a query's words with their weights. None is an operator. Chinese is looked for as it is and in pairs. */
function splitQuery(query) {
  const words = new Map();
  const add = (word, weight) => words.set(word, Math.max(weight, words.get(word) ?? 0));
  const parts = query.match(/[\u3400-\u9fff]+|[^\s\u3400-\u9fff]+/g) ?? [];
  for (const part of parts) {
    add(part, 1);
    const pairs = CHINESE.test(part) ? part.length - 1 : 0;
    for (let i = 0; pairs > 1 && i < pairs; i++) add(part.slice(i, i + 2), 1 / pairs);
  }
  if (parts.length > 1) add(query, 2);
  return words;
}

/** Return what finds a word; one of letters and digits is found where a word begins. */
function pattern(word) {
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp((/^[a-z0-9]/.test(word) ? "(?<![a-z0-9])" : "") + escaped, "g");
}

/** Return the word, or as much of its beginning as the pages have, with each entry's mentions of it. */
function countMentions(entries, word) {
  for (let tried = word; tried; tried = /^[a-z]{5,}$/.test(tried) ? tried.slice(0, -1) : "") {
    const found = pattern(tried);
    const mentions = entries.map((entry) => Object.entries(COUNTS).reduce(
      (sum, [kind, counts]) => sum + counts * (entry[kind].match(found)?.length ?? 0), 0));
    if (mentions.some(Boolean)) return { tried, mentions };
  }
  return { tried: "", mentions: [] };
}

/** Return the sections that answer a query, best first: each with its score and the words found in it. */
function findSections({ synonyms, entries }, typed) {
  let query = typed.normalize("NFKC").toLowerCase();
  for (const [theirs, ours] of synonyms) {
    query = query.replace(theirs, ` ${ours} `);
  }
  const hits = entries.map(({ section }) => ({ section, score: 0, words: [] }));
  const kinds = entries.map(({ section }) => ASIDE.find(([page]) => page.test(section.url))?.[1] ?? 1);
  for (const [word, weight] of splitQuery(query.replace(/[.,:;?!。、]*(\s+|$)/g, " ").trim())) {
    const { tried, mentions } = countMentions(entries, word);
    const matching = mentions.filter(Boolean).length;
    const rarity = Math.log(1 + (entries.length - matching + .5) / (matching + .5));
    mentions.forEach((count, i) => {
      if (!count) return;
      hits[i].score += weight * rarity * count / (count + entries[i].damping) * kinds[i];
      hits[i].words.push(tried);
    });
  }
  hits.sort((a, b) => b.score - a.score);
  return hits.filter((hit) => hit.score > WORTH * hits[0].score);
}

/** Return the part of a section that holds most of the words found; of a table's row also its first cell, the topic. */
function bestPart({ section, words }) {
  const rows = section.rows.map((row) => ({ text: row.filter(Boolean).join(" · "), topic: row[0] }));
  const parts = [...rows, ...[...section.text, ...section.code].map((text) => ({ text }))];
  const held = ({ text }) => words.filter((word) => pattern(word).test(text.toLowerCase())).join("").length;
  return parts.reduce((best, part) => (held(part) > held(best) ? part : best), parts[0] ?? { text: "" });
}

/** Return a text from a little before the first of the words found. */
function excerpt(text, words) {
  const places = words.map((word) => text.toLowerCase().search(pattern(word))).filter((place) => place >= 0);
  const start = Math.min(...places, text.length) - BEFORE;
  return places.length && start > 0 ? text.slice(start).replace(/^[\w.]*\s?/, "… ") : text;
}

/** Return the address of a hit; browsers that can scroll to a text go to the table's row. */
function address({ section }, topic, root) {
  const url = new URL(section.url, root);
  if (topic && "fragmentDirective" in document) url.hash += `:~:text=${encodeURIComponent(topic).replaceAll("-", "%2D")}`;
  return url;
}

/** Return an element with a text in which the words found are marked. */
function marked(tag, text, words) {
  const element = document.createElement(tag), longest = [...words].sort((a, b) => b.length - a.length);
  const found = new RegExp(`(${longest.map((word) => pattern(word).source).join("|")})`, "gi");
  text.split(found).forEach((part, i) => {
    const node = i % 2 ? document.createElement("mark") : new Text();
    node.textContent = part;
    element.append(node);
  });
  return element;
}

function setUpSearch(box) {
  const toggle = document.getElementById("__search"), input = box.querySelector("input");
  const status = box.querySelector(".md-search-result__meta"), list = box.querySelector(".md-search-result__list");
  const { base, translations } = JSON.parse(document.getElementById("__config").textContent);
  const root = new URL(base, location), invitation = status.textContent;
  let index;

  /** Load what is searched, one script after the other, and show what is found in as much as is there. */
  function load(names = SCRIPTS) {
    list.ariaBusy = names.length > 0;
    if (!names.length) return;
    const script = document.createElement("script");
    script.src = new URL(`search/${names[0]}`, root);
    script.onload = () => {
      index = readIndex(window.searchIndex);
      load(names.slice(1));
      if (!list.contains(document.activeElement)) show(); // else a hit would be taken from under the reader's hand
    };
    document.head.append(script);
  }

  function item(hit) {
    const { text, topic } = bestPart(hit);
    const link = document.createElement("a"), article = document.createElement("article"), place = document.createElement("small");
    link.className = "md-search-result__link";
    link.href = address(hit, topic, root);
    article.className = "md-search-result__article md-typeset";
    place.textContent = hit.section.page === hit.section.title ? "" : hit.section.page;
    article.append(marked("b", hit.section.title, hit.words), place, marked("p", excerpt(text, hit.words), hit.words));
    link.append(article);
    const entry = document.createElement("li");
    entry.className = "md-search-result__item";
    entry.append(link);
    return entry;
  }

  function show() {
    const hits = index ? findSections(index, input.value) : [];
    const words = translations[`search.result.${["none", "one"][hits.length] ?? "other"}`];
    const isTold = input.value.trim() && (hits.length || list.ariaBusy === "false");
    status.textContent = isTold ? words.replace("#", hits.length) : invitation;
    list.replaceChildren(...hits.slice(0, SHOWN).map(item));
  }

  function open(wanted) {
    if (toggle.checked !== wanted) toggle.click();
  }

  toggle.addEventListener("change", () => {
    box.querySelector(".md-search__output").hidden = !toggle.checked;
    if (toggle.checked) { if (!list.ariaBusy) load(); input.focus(); } else { input.blur(); }
  });
  input.addEventListener("focus", () => open(true));
  input.addEventListener("input", show);
  box.addEventListener("reset", () => { setTimeout(show); input.focus(); });
  box.addEventListener("submit", (event) => { event.preventDefault(); list.querySelector("a")?.click(); });
  box.addEventListener("click", (event) => {
    if (!event.target.closest("a") || event.ctrlKey || event.metaKey) return;
    open(false);
    input.value = ""; // else it is the first place on the page that has the text to scroll to
    show();
  });
  box.addEventListener("focusout", ({ relatedTarget }) => { if (relatedTarget && !box.contains(relatedTarget)) open(false); });
  box.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 }, places = [input, ...list.querySelectorAll("a")];
    if (event.key === "Escape") { open(false); input.blur(); }
    if (!(event.key in steps) || event.isComposing) return;
    event.preventDefault();
    places.at((places.indexOf(document.activeElement) + steps[event.key]) % places.length).focus();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, [contenteditable]")) return;
    event.preventDefault();
    input.focus();
  });
}

setUpSearch(document.querySelector(".md-search"));
