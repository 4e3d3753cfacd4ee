/* Follow the page's stream and fetch the page anew when something has changed; keep what the reader is doing. */
"use strict";
(() => {
  let stream, address, timer, busy = 0, isMissed = false;
  const LOST_AFTER = 3000; // milliseconds: a short break is nobody's business
  const isRefresh = (event) => event.detail.target.id === "main";

  function refresh() {
    isMissed = busy > 0;
    if (isMissed) return;
    const wanted = { target: "#main", select: "#main", swap: "morph:outerHTML" };
    htmx.ajax("GET", location.href, wanted).catch(() => {}); // the stream's end says that the agent is away
  }

  /* What the reader asked for goes first: a refresh never replaces the page it leads to. */
  document.addEventListener("htmx:beforeRequest", (event) => { if (!isRefresh(event)) busy += 1; });
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (!isRefresh(event)) { event.detail.requestConfig.elt.removeAttribute("data-typed"); return; }
    isMissed = busy > 0;
    if (isMissed || event.detail.requestConfig.path !== location.href) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (isRefresh(event)) return;
    busy -= 1;
    if (isMissed) refresh();
  });

  function lost(is) {
    clearTimeout(timer);
    const notice = document.getElementById("lost");
    if (is) timer = setTimeout(() => { notice.hidden = false; }, LOST_AFTER);
    else notice.hidden = true;
  }

  function close() {
    stream?.close();
    stream = undefined;
  }

  /* One stream a visible tab: browsers allow six connections to an address, and a seventh tab would wait for ever. */
  function follow() {
    const wanted = document.hidden ? undefined : document.getElementById("main")?.dataset.live;
    if (wanted === address && stream && stream.readyState !== EventSource.CLOSED) return;
    close();
    address = wanted;
    if (!wanted) return;
    stream = new EventSource(wanted);
    stream.onopen = () => lost(false);
    stream.onerror = () => {
      lost(true);
      if (stream?.readyState === EventSource.CLOSED) { close(); setTimeout(follow, 2000); } // refused: try again
    };
    stream.addEventListener("changed", refresh);
  }

  /* What somebody has typed stays when the page is fetched anew, and what was opened stays open. */
  document.addEventListener("input", (event) => event.target.closest("form")?.toggleAttribute("data-typed", true));
  document.addEventListener("submit", (event) => {
    if (event.target.method === "post") for (const each of event.target.querySelectorAll("button")) each.setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:sendError", (event) => { // nothing was sent: it can be sent again
    for (const each of event.detail.elt.querySelectorAll("button")) each.removeAttribute("aria-busy");
  });
  addEventListener("DOMContentLoaded", () => {
    Idiomorph.defaults.callbacks.beforeNodeMorphed = (old) => !old.hasAttribute?.("data-typed");
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => !(name === "open" && element.tagName === "DETAILS");
    bottom();
    follow();
  });
  document.addEventListener("htmx:afterSettle", () => { bottom(); follow(); });
  document.addEventListener("visibilitychange", follow);
  addEventListener("pagehide", close);

  /* A log is read from its end, until its reader scrolls up. */
  function bottom() {
    const log = document.querySelector("pre.log");
    if (!log) return;
    if (!log.dataset.read) log.scrollTop = log.scrollHeight;
    log.onscroll = () => { log.dataset.read = log.scrollTop + log.clientHeight < log.scrollHeight - 40 ? "yes" : ""; };
  }
})();
