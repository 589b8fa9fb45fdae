// Elements by name, attributes and children. Texts are set as texts: nothing from a file is ever read as HTML.

const SVG = 'http://www.w3.org/2000/svg'

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(Infinity).filter(child => child !== undefined && child !== null && child !== false))
  return element
}

export const h = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children)

export const s = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children)

let numbered = 0
/** An id that no other element has. */
export const freshId = stem => `${stem}-${(numbered += 1)}`

/** A table in a box that scrolls by itself, so that a wide one never widens the page, and the keyboard reaches it. */
export const scrolling = (label, table) => h('div', { class: 'scrolling', tabindex: 0, role: 'region', 'aria-label': label }, table)
