// What the theme leaves unnamed for those who use a screen reader or the keyboard.
document.addEventListener("DOMContentLoaded", () => {
  const input = document.querySelector(".md-search__input");
  document.querySelector(".md-search")?.setAttribute("aria-label", input?.placeholder ?? "Search");
});
