// What the theme leaves unnamed or out of reach for those who use a screen reader or the keyboard.
function repair() {
  document.querySelectorAll(".md-annotation__index:not([aria-label])").forEach((link) => {
    const number = link.querySelector("[data-md-annotation-id]")?.dataset.mdAnnotationId;
    link.setAttribute("aria-label", `(${number})`);
  });
  // The theme takes a button's title away while its tip is open: the name must not go with it.
  document.querySelectorAll(".md-code__button[title]").forEach((button) => button.setAttribute("aria-label", button.title));
  document.querySelectorAll("nav.md-code__nav").forEach((nav) => nav.setAttribute("role", "none"));
  document.querySelectorAll(".md-typeset__scrollwrap, .tabbed-labels").forEach((box) => {
    box.scrollWidth > box.clientWidth ? box.setAttribute("tabindex", "0") : box.removeAttribute("tabindex");
  });
}

// The theme makes annotations, copy buttons and scroll boxes after the page has loaded.
new MutationObserver(repair).observe(document.querySelector("article"), { childList: true, subtree: true });
addEventListener("resize", repair);
repair();

// The same anchors exist in both languages: the switch also stays at the section.
const switcher = document.querySelector(".site-language");
switcher?.addEventListener("click", () => { switcher.hash = location.hash; });

// An open note goes with Escape; from where it was the keyboard goes on.
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement.closest(".md-annotation")) document.activeElement.blur();
});
