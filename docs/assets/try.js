// "Try it in the page": a digit that is drawn, or chosen among test digits, is answered by several recorded models.
// Nothing is loaded before the reader asks for it; until then, and where it cannot be loaded, the recorded answers to the
// test digits stand in. No module: a copy on disk may load scripts, but no modules.
"use strict"; // so that the functions stay in the block
{
  const SIDE = 28, BOX = 20, MIDDLE = 14, PEN = 1.15; // of a picture of MNIST; the pen's radius; all in its pixels
  const PAD = 280, STEP = 2; // the pad's own units; a pen moves at least so far

  const widget = document.querySelector(".try-it");
  const { models, digits, words } = JSON.parse(widget.querySelector("script").textContent);
  const [pad, preview] = [".try-pad canvas", "figure canvas"].map((place) => widget.querySelector(place));
  const [hint, status] = [".try-pad p", ".try-status"].map((place) => widget.querySelector(place));
  const [load, clear] = [".try-load", ".try-clear"].map((place) => widget.querySelector(place));
  const choices = [...widget.querySelectorAll("input")], cards = [...widget.querySelectorAll(".try-models > li")];
  const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
  const pixelsOf = (digit) => Uint8Array.from(atob(digit.pixels), (character) => character.charCodeAt(0));
  const largest = (numbers) => numbers.indexOf(Math.max(...numbers));

  let sessions = null; // of the models, once they are loaded
  let strokes = []; // of the drawn digit: lists of points
  let asked = 0, queue = Promise.resolve();

  // From strokes to a picture as MNIST's are

  function distance([x, y], [fromX, fromY], [toX, toY]) {
    const [dx, dy] = [toX - fromX, toY - fromY];
    const along = ((x - fromX) * dx + (y - fromY) * dy) / (dx * dx + dy * dy || 1);
    const part = Math.min(1, Math.max(0, along));
    return Math.hypot(x - fromX - part * dx, y - fromY - part * dy);
  }

  function ink(lines) {
    return Uint8Array.from({ length: SIDE * SIDE }, (_, place) => {
      const point = [place % SIDE, Math.floor(place / SIDE)];
      let nearest = Infinity;
      for (const line of lines) {
        for (let end = 1; end < line.length; end++) nearest = Math.min(nearest, distance(point, line[end - 1], line[end]));
      }
      return Math.round(255 * Math.min(1, Math.max(0, PEN + 0.5 - nearest)));
    });
  }

  function middleOfInk(pixels) {
    let [sum, x, y] = [0, 0, 0];
    pixels.forEach((value, place) => {
      sum += value;
      x += value * (place % SIDE);
      y += value * Math.floor(place / SIDE);
    });
    return [x / sum, y / sum];
  }

  // The whole fits the box, and its centre of mass is in the middle.
  function asInMnist(lines) {
    const points = lines.flat(), [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis]));
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const scale = (BOX - 2 * PEN) / Math.max(right - left, bottom - top, PAD / SIDE);
    const placed = (x, y) => lines.map((line) => line.map((point) => [point[0] * scale + x, point[1] * scale + y]));
    const [x, y] = [MIDDLE - (scale * (left + right)) / 2, MIDDLE - (scale * (top + bottom)) / 2];
    const [middleX, middleY] = middleOfInk(ink(placed(x, y)));
    return ink(placed(x + MIDDLE - middleX, y + MIDDLE - middleY));
  }

  // What is shown

  function put(canvas, pixels) {
    const rgba = new Uint8ClampedArray(4 * SIDE * SIDE);
    pixels.forEach((value, place) => rgba.set([value, value, value, 255], 4 * place));
    canvas.getContext("2d").putImageData(new ImageData(rgba, SIDE, SIDE), 0, 0);
  }

  function paint(pixels) {
    const context = pad.getContext("2d"), unit = pad.width / PAD;
    put(preview, pixels);
    context.imageSmoothingEnabled = false;
    context.fillRect(0, 0, pad.width, pad.height);
    if (!strokes.length) context.drawImage(preview, 0, 0, pad.width, pad.height);
    context.lineWidth = (2 * PEN * pad.width) / SIDE;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = "#fff";
    for (const line of strokes) {
      context.beginPath();
      line.forEach(([x, y]) => context.lineTo(x * unit, y * unit));
      context.stroke();
    }
    hint.hidden = !sessions || pixels.some(Boolean);
  }

  function show(answers, label) {
    cards.forEach((card, model) => {
      const shares = answers?.[model], found = shares && largest(shares);
      const [bars, answer] = [".try-bars", ".try-answer"].map((place) => card.querySelector(place).children);
      [...bars].forEach((bar, digit) => {
        bar.style.setProperty("--share", shares?.[digit] ?? 0);
        bar.classList.toggle("found", digit === found);
      });
      const all = shares?.map((share, digit) => `${digit}${words.colon}${percent(share)}`).join(words.comma);
      bars[0].parentElement.setAttribute("aria-label", words.probabilities.replace("{}", all ?? "–"));
      const said = shares ? [found, percent(shares[found]), verdict(found, label)] : ["–", "", ""];
      said.forEach((text, place) => { answer[place].textContent = text; });
      card.classList.toggle("wrong", label !== undefined && found !== undefined && found !== label);
    });
  }

  function verdict(found, label) {
    if (label === undefined) return "";
    return found === label ? `✓ ${words.right}` : `✗ ${words.wrong}`;
  }

  function say(answers, label, name) {
    const how = sessions ? words.computed : words.recorded;
    const said = answers.map((shares, model) => {
      const mark = label === undefined ? "" : largest(shares) === label ? " ✓" : " ✗";
      return `${models[model].name} ${largest(shares)}${mark}`;
    });
    status.textContent = `${name}${words.stop}${how}${words.colon}${said.join(words.comma)}`;
  }

  // Answers

  widget.answer = async (pixels) => {
    const found = [];
    for (const { session, Tensor } of sessions) {
      const results = await session.run({ [session.inputNames[0]]: new Tensor("uint8", pixels, [1, SIDE, SIDE]) });
      found.push([...results[session.outputNames[0]].data]);
    }
    return found;
  };

  // Only the last question counts: a pen asks faster than some machines answer.
  function ask(pixels, { label, name, answers: recorded }, isDone = true) {
    const question = ++asked;
    queue = queue.then(async () => {
      if (question !== asked) return;
      const answers = sessions ? await widget.answer(pixels) : recorded;
      if (question !== asked) return;
      show(answers, label);
      if (isDone) say(answers, label, name);
    });
  }

  function choose(digit) {
    strokes = [];
    paint(pixelsOf(digit));
    ask(pixelsOf(digit), digit);
  }

  function wipe() {
    asked++;
    strokes = [];
    choices.forEach((choice) => { choice.checked = false; });
    paint(new Uint8Array(SIDE * SIDE));
    show(null);
    status.textContent = words.ready;
  }

  // The pen

  function draw(isDone) {
    const pixels = asInMnist(strokes);
    paint(pixels);
    ask(pixels, { name: words.drawn }, isDone);
  }

  let frame = 0; // of the picture that is due while the pen moves
  const point = (event) => [event.offsetX, event.offsetY].map((offset) => (offset * PAD) / pad.clientWidth);

  pad.addEventListener("pointerdown", (event) => {
    if (!sessions || event.button || !event.isPrimary) return;
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    if (!strokes.length) wipe(); // of a test digit
    strokes.push([point(event), point(event)]);
    draw(false);
  });
  pad.addEventListener("pointermove", (event) => {
    if (!pad.hasPointerCapture(event.pointerId)) return;
    const line = strokes.at(-1), next = point(event);
    if (distance(next, line.at(-1), line.at(-1)) < STEP) return;
    line.push(next);
    frame ||= requestAnimationFrame(() => { frame = 0; draw(false); });
  });
  pad.addEventListener("lostpointercapture", () => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (strokes.length) draw(true);
  });

  // Loading

  let failures = 0; // a runtime that failed once fails for ever: under another address it is another one

  async function loadModels() {
    const base = new URL(widget.dataset.assets, document.baseURI), again = failures ? `?${failures}` : "";
    const { env, InferenceSession, Tensor } = await import(new URL(`onnxruntime/ort.wasm.bundle.min.js${again}`, base));
    env.wasm.numThreads = 1; // more need headers that a plain server does not send
    const made = models.map(({ file }) => InferenceSession.create(new URL(file, base).href));
    return (await Promise.all(made)).map((session) => ({ session, Tensor }));
  }

  function whyNot() {
    if (location.protocol === "file:") return words.from_disk;
    return typeof WebAssembly === "undefined" ? words.no_webassembly : "";
  }

  load.addEventListener("click", async () => {
    status.textContent = whyNot() || words.loading;
    if (whyNot()) return;
    load.disabled = true;
    try {
      sessions = await loadModels();
    } catch (error) {
      console.warn(error);
      failures++;
      status.textContent = words.failed;
      load.disabled = false;
      return;
    }
    widget.classList.add("ready");
    load.hidden = true;
    clear.hidden = false;
    clear.focus({ preventScroll: true });
    wipe();
  });
  clear.addEventListener("click", wipe);

  digits.forEach((digit, index) => {
    const choice = choices[index];
    digit.name = choice.getAttribute("aria-label");
    put(choice.nextElementSibling, pixelsOf(digit));
    choice.addEventListener("change", () => choose(digit));
  });
  const telling = digits.findIndex(({ answers }) => new Set(answers.map(largest)).size > 1);
  choices[telling].checked = true; // also where the browser remembers another choice
  choose(digits[telling]);
}
