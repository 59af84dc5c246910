// Tables that scroll sideways can be scrolled by the keyboard, and say what they are to a screen reader.
document.addEventListener("DOMContentLoaded", () => {
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap")) {
    if (wrap.scrollWidth > wrap.clientWidth) {
      wrap.tabIndex = 0
      wrap.setAttribute("role", "region")
      wrap.setAttribute("aria-label", "Table, scrolls sideways")
    }
  }
})
