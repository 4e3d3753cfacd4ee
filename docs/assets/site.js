// What the theme leaves unnamed or out of reach for those who use a screen reader or the keyboard.
const BOXES = ".md-typeset__scrollwrap, .tabbed-labels, pre > code, figure:has(> svg), p:has(> img)";
let due = 0;
function repair() {
  due = 0;
  document.querySelectorAll(".md-annotation__index:not([aria-label])").forEach((link) => {
    const number = link.querySelector("[data-md-annotation-id]")?.dataset.mdAnnotationId;
    link.setAttribute("aria-label", `(${number})`);
  });
  // The theme takes a button's title away while its tip is open: the name must not go with it.
  document.querySelectorAll(".md-code__button[title]").forEach((button) => button.setAttribute("aria-label", button.title));
  document.querySelectorAll("nav.md-code__nav").forEach((nav) => nav.setAttribute("role", "none"));
  document.querySelectorAll(BOXES).forEach((box) => {
    sized.unobserve(box); // what is observed anew is measured anew
    sized.observe(box);
  });
}

// What scrolls takes the keyboard's focus, on touch screens too, where the theme takes it away. The observer is called
// when the page has been laid out, also for tabs and notes that open: measuring anywhere else would lay it out once more.
const sized = new ResizeObserver((entries) => {
  const scrolls = entries.map(({ target }) => target.scrollWidth > target.clientWidth);
  entries.forEach(({ target }, index) => {
    if (scrolls[index] === target.hasAttribute("tabindex")) return;
    scrolls[index] ? target.setAttribute("tabindex", "0") : target.removeAttribute("tabindex");
  });
});

// The theme makes annotations, copy buttons and scroll boxes after the page has loaded.
const soon = () => { due ||= requestAnimationFrame(repair); };
new MutationObserver(soon).observe(document.querySelector("article"), { childList: true, subtree: true, attributeFilter: ["tabindex"] });
soon();

// Guides and notebooks have sections of the same names: in the menu each is called after its part, too.
document.querySelectorAll(".md-nav .md-nav .md-nav[aria-labelledby]").forEach((nav) => {
  const part = nav.parentElement.closest("nav").getAttribute("aria-labelledby");
  nav.setAttribute("aria-labelledby", `${part} ${nav.getAttribute("aria-labelledby")}`);
});

// The same anchors exist in both languages: the switch also stays at the section.
const switcher = document.querySelector(".site-language");
switcher?.addEventListener("click", () => { switcher.hash = location.hash; });

// An open note goes with Escape; from where it was the keyboard goes on.
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement.closest(".md-annotation")) document.activeElement.blur();
});

// Paper shows every tab, one below the other, under its label.
document.querySelectorAll(".tabbed-set").forEach((set) => {
  const labels = set.querySelectorAll(":scope > .tabbed-labels > label");
  set.querySelectorAll(":scope > .tabbed-content > .tabbed-block").forEach((tab, index) => { tab.dataset.label = labels[index].textContent.trim(); });
});

// Paper is white, and nothing on it can be unfolded.
let scheme, folded;
addEventListener("beforeprint", () => {
  scheme = document.body.dataset.mdColorScheme;
  document.body.dataset.mdColorScheme = "default";
  folded = document.querySelectorAll("article details:not([open])");
  folded.forEach((details) => { details.open = true; });
  document.querySelectorAll("code .c1").forEach((comment) => {
    comment.textContent = comment.textContent.replace(/^# (\(\d+\))!$/, "$1"); // the theme has made no note of it yet
  });
});
addEventListener("afterprint", () => {
  document.body.dataset.mdColorScheme = scheme;
  folded.forEach((details) => { details.open = false; });
});

// The slider figure: what each place shows was drawn with the page.
document.querySelectorAll(".results-grid").forEach((figure) => {
  const places = JSON.parse(figure.querySelector("script").textContent);
  const sliders = [...figure.querySelectorAll("input")];
  const show = () => {
    for (const slider of sliders) {
      const text = JSON.parse(slider.dataset.texts)[slider.value];
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.textContent = text;
    }
    const [line, points, alone, said] = places[sliders.map((slider) => slider.value)];
    const picture = figure.querySelector(".chart");
    picture.querySelector(".run-federated .run").setAttribute("d", line);
    picture.querySelector(".run-federated .point").setAttribute("d", points);
    picture.querySelector(".run-node-1 .run").setAttribute("d", alone);
    picture.querySelector("desc").textContent = said;
    picture.setAttribute("aria-label", said);
    figure.querySelector(".results-said").textContent = said;
  };
  sliders.forEach((slider) => slider.addEventListener("input", show));
  figure.querySelector(".results-sliders").hidden = false;
  show(); // a browser keeps where the sliders were when a page is loaded again
});
