// A box that finds one of many by typing: a combobox with a list in groups, worked by keyboard as by pointer.

import { freshId, h } from './dom.js'

const words = text => text.toLowerCase().normalize('NFD').replace(/[^\p{L}\p{N}]+/gu, ' ').trim().split(' ')

/** Whether every word that was typed begins a word of the text. */
export const matches = (typed, text) => {
  const of = words(text)
  return words(typed).every(word => of.some(each => each.startsWith(word)))
}

/**
 * A picker: `groups` is a function that gives [{title, options: [{id, title, depth, also}]}], `onPick` takes an id.
 * `shown` is what stands in the box while nobody types.
 */
export class Picker {
  #groups
  #onPick
  #input
  #list
  #options = []
  #at = -1
  #shown = ''

  constructor({ label, groups, onPick, placeholder = '' }) {
    this.#groups = groups
    this.#onPick = onPick
    const [input, list] = [freshId('pick'), freshId('list')]
    this.#list = h('div', { id: list, role: 'listbox', class: 'options', 'aria-label': label, hidden: true, tabindex: -1 })
    this.#input = h('input', {
      id: input, type: 'text', role: 'combobox', autocomplete: 'off', spellcheck: 'false', placeholder,
      'aria-expanded': 'false', 'aria-controls': list, 'aria-autocomplete': 'list',
      onfocus: () => this.#input.select(),
      onclick: () => this.#open(),
      oninput: () => this.#open(this.#input.value),
      onkeydown: event => this.#key(event),
      onblur: () => this.#close(),
    })
    this.#list.addEventListener('pointerdown', event => {
      event.preventDefault() // the box keeps the focus, so that the list does not close under the pointer
      const found = event.target.closest('[role=option]')
      if (found) this.#pick(this.#options.findIndex(option => option.node === found))
    })
    this.node = h('div', { class: 'picker' }, h('label', { for: input }, label), this.#input, this.#list)
  }

  show(text) {
    this.#shown = text
    if (this.#list.hidden) this.#input.value = text
  }

  get input() {
    return this.#input
  }

  #open(typed = '') {
    this.#options = []
    const parts = []
    for (const { title, options } of this.#groups()) {
      const found = typed ? options.filter(option => matches(typed, `${option.title} ${option.also ?? ''} ${option.id}`)) : options
      if (!found.length) continue
      const heading = freshId('group')
      parts.push(h('div', { role: 'group', 'aria-labelledby': heading },
        h('div', { class: 'group', id: heading, role: 'presentation' }, title),
        found.map(option => {
          const node = h('div', {
            id: freshId('option'), role: 'option', 'aria-selected': option.selected ? 'true' : 'false',
            class: `option depth-${typed ? 0 : Math.min(option.depth ?? 0, 6)}`,
          }, option.title, option.also && h('span', { class: 'also' }, ` ${option.also}`))
          this.#options.push({ ...option, node })
          return node
        })))
    }
    if (!parts.length) parts.push(h('div', { class: 'group', role: 'option', 'aria-disabled': 'true', 'aria-selected': 'false' }, `Nothing is called “${typed}”.`))
    this.#list.replaceChildren(...parts)
    this.#list.hidden = false
    this.#input.setAttribute('aria-expanded', 'true')
    this.#mark(typed ? 0 : this.#options.findIndex(option => option.selected))
  }

  #close() {
    this.#list.hidden = true
    this.#input.setAttribute('aria-expanded', 'false')
    this.#input.removeAttribute('aria-activedescendant')
    this.#input.value = this.#shown
  }

  #mark(at) {
    this.#options[this.#at]?.node.classList.remove('active')
    this.#at = this.#options.length ? Math.max(0, Math.min(at, this.#options.length - 1)) : -1
    const marked = this.#options[this.#at]
    if (!marked) return this.#input.removeAttribute('aria-activedescendant')
    marked.node.classList.add('active')
    marked.node.scrollIntoView({ block: 'nearest' })
    this.#input.setAttribute('aria-activedescendant', marked.node.id)
  }

  #pick(at) {
    const option = this.#options[at]
    if (!option) return
    this.#close()
    this.#onPick(option.id)
  }

  #key(event) {
    const isOpen = !this.#list.hidden
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }
    if (event.key in steps) {
      if (isOpen) this.#mark(this.#at + steps[event.key])
      else this.#open()
    } else if (event.key === 'Enter') {
      if (isOpen) this.#pick(this.#at)
      else this.#open()
    } else if (event.key === 'Escape' && isOpen) this.#close()
    else return
    event.preventDefault()
  }
}
