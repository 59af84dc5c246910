// What the theme leaves to the mouse: opening the navigation and the search of narrow windows, and scrolling wide tables.
const isOnTop = link => {
  const place = link.getBoundingClientRect()
  return link.contains(document.elementFromPoint(place.left + place.width / 2, place.top + place.height / 2))
}

document.addEventListener("DOMContentLoaded", () => {
  const names = { __drawer: "Navigation", __search: "Search" }
  for (const [box, name] of Object.entries(names)) {
    for (const label of document.querySelectorAll(`.md-header label.md-header__button[for="${box}"]`)) {
      label.tabIndex = 0
      label.setAttribute("role", "button")
      label.setAttribute("aria-label", name)
      label.addEventListener("keydown", event => {
        if (event.key !== "Enter" && event.key !== " ") return
        event.preventDefault()
        label.click()
        if (box === "__search") document.querySelector(".md-search__input")?.focus()
        else setTimeout(() => [...document.querySelectorAll(".md-sidebar--primary a.md-nav__link")].find(isOnTop)?.focus(), 400)
      })
    }
  }
  document.addEventListener("keydown", event => {
    const drawer = document.getElementById("__drawer")
    if (event.key === "Escape" && drawer?.checked) drawer.click()
  })
  for (const wrap of document.querySelectorAll(".md-typeset__scrollwrap")) {
    if (wrap.scrollWidth > wrap.clientWidth) {
      wrap.tabIndex = 0
      wrap.setAttribute("role", "region")
      wrap.setAttribute("aria-label", "Table, scrolls sideways")
    }
  }
})
