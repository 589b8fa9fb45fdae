// The controls of the question: made once, so that what has the focus keeps it; each change goes through the address.

import { freshId, h } from './dom.js'
import { dayInWords, inWords, isMonth, short, yearOf } from './periods.js'
import { MOST_AREAS } from './state.js'
import { Picker } from './picker.js'

/** Which controls ask something of which view. */
export const ASKED = {
  map: ['dataset', 'category', 'measure', 'period', 'areas', 'known'],
  line: ['dataset', 'category', 'measure', 'since', 'areas', 'known'],
  ranking: ['dataset', 'category', 'measure', 'period', 'areas', 'known'],
  table: ['dataset', 'category', 'measure', 'since', 'known'],
  revisions: ['dataset', 'category', 'measure', 'since', 'areas', 'known'],
  missing: ['dataset', 'category', 'measure', 'known'],
  quality: [],
  bulletin: ['dataset', 'known'],
  operations: [],
}

function labelled(label, control, ...after) {
  const id = (control.id ||= freshId('control'))
  return h('div', { class: 'control' }, h('label', { for: id }, label), h('div', { class: 'row' }, control, ...after))
}

/** Options of a select, rewritten only where they changed, so that an open list stays open. */
function fill(select, groups, chosen) {
  const key = JSON.stringify(groups)
  if (select.dataset.key !== key) {
    select.dataset.key = key
    select.replaceChildren(...groups.flatMap(({ title, options }) => {
      const made = options.map(({ id, text }) => h('option', { value: id }, text))
      return title ? [h('optgroup', { label: title }, made)] : made
    }))
  }
  select.value = chosen
}

const periodGroups = periods => {
  if (!isMonth(periods[0])) return [{ options: [...periods].reverse().map(period => ({ id: String(period), text: short(period) })) }]
  const years = [...new Set(periods.map(yearOf))].reverse()
  return years.map(year => ({ title: String(year), options: periods.filter(period => yearOf(period) === year).reverse().map(period => ({ id: String(period), text: inWords(period) })) }))
}

const listed = tables => (tables.length > 3 ? `${tables.length} tables` : tables.join(', '))

export class Controls {
  #go
  #question

  constructor(index, go) {
    this.#go = go
    const select = key => h('select', { onchange: event => go({ [key]: event.target.value }) })
    this.dataset = h('select', { onchange: event => go({ dataset: event.target.value, category: undefined, measure: undefined, period: undefined, since: undefined, known: undefined }) })
    fill(this.dataset, [{ options: index.datasets.map(each => ({ id: each.id, text: each.title })) }], index.datasets[0].id)
    this.measure = select('measure')
    this.period = select('period')
    this.since = select('since')
    const step = (by, label, sign) => h('button', { type: 'button', class: 'step', 'aria-label': label, onclick: () => this.#step(by) }, sign)
    this.earlier = step(-1, 'Earlier', '‹')
    this.later = step(1, 'Later', '›')
    this.category = new Picker({ label: 'Category', groups: () => this.#categories(), onPick: id => go({ category: id }) })
    this.areas = new Picker({ label: 'Areas', placeholder: 'add an area', groups: () => this.#areas(index), onPick: id => this.#toggle(id) })
    this.chips = h('ul', { class: 'chips', 'aria-label': 'Chosen areas' })
    this.known = h('input', { type: 'range', min: 0, step: 1, id: freshId('control'), oninput: () => this.#know(Number(this.known.value)) })
    this.knownSays = h('output', { for: this.known.id, class: 'says' })
    this.knownNote = h('p', { class: 'also' })
    this.parts = {
      dataset: labelled('Dataset', this.dataset),
      category: h('div', { class: 'control' }, this.category.node),
      measure: labelled('Measure', this.measure),
      period: labelled('Period', this.period, this.earlier, this.later),
      since: labelled('Since', this.since),
      areas: h('div', { class: 'control wide' }, this.areas.node, this.chips),
      known: h('div', { class: 'control wide' }, h('label', { for: this.known.id }, 'As known on'), h('div', { class: 'row' }, this.known, this.knownSays), this.knownNote),
    }
    this.node = h('form', { class: 'controls', 'aria-label': 'What to look at', onsubmit: event => event.preventDefault() }, Object.values(this.parts))
  }

  /** Show a question, and of which areas it could be asked. */
  show(question) {
    this.#question = question
    const { state, dataset, measure, extract, known, isNow } = question
    const asked = ASKED[state.view]
    this.node.hidden = !asked.length
    for (const [name, part] of Object.entries(this.parts)) part.hidden = !asked.includes(name)
    this.dataset.value = dataset.id
    const kinds = [
      { title: 'Published figures', options: question.measures.filter(each => each.is_published && !each.is_estimated) },
      { title: 'Derived from published figures', options: question.measures.filter(each => !each.is_published && !each.is_estimated) },
      { title: 'Estimates', options: question.measures.filter(each => each.is_estimated) },
    ].filter(kind => kind.options.length)
    fill(this.measure, kinds.map(({ title, options }) => ({ title, options: options.map(each => ({ id: each.id, text: each.unit ? `${each.title} (${each.unit})` : each.title })) })), measure.id)
    fill(this.period, periodGroups(question.periods), String(state.period))
    fill(this.since, periodGroups(question.periods), String(state.since))
    this.earlier.disabled = state.period === dataset.first
    this.later.disabled = state.period === dataset.last
    this.category.show(question.category.title)
    this.chips.replaceChildren(...state.areas.map((id, at) => {
      const name = question.area(id)?.name ?? id
      return h('li', { class: `tone-${at}` }, h('span', { class: 'swatch' }), name,
        h('button', { type: 'button', class: 'remove', 'aria-label': `Remove ${name}`, onclick: () => this.#toggle(id) }, '×'))
    }))
    this.known.max = dataset.extracts.length - 1
    this.known.value = known
    this.known.disabled = dataset.extracts.length < 2 || (!question.movesInTime && state.view !== 'bulletin')
    const says = `${dayInWords(extract.released ?? extract.extract)}${isNow ? ', the current figures' : ''}`
    this.known.setAttribute('aria-valuetext', says)
    this.knownSays.value = says
    const place = `Extract ${known + 1} of ${dataset.extracts.length}: ${extract.extract}, ${listed(extract.tables)}${extract.is_comprehensive ? ', a comprehensive update' : ''}.`
    this.knownNote.textContent = question.movesInTime ? place : `Of this measure only what is held now is kept. ${place}`
  }

  #know(number) {
    this.#go({ known: this.#question.dataset.extracts[number].extract }, { quietly: true })
  }

  #step(by) {
    const { periods, state } = this.#question
    const next = periods[periods.indexOf(state.period) + by]
    if (next !== undefined) this.#go({ period: next })
  }

  #toggle(id) {
    const { areas } = this.#question.state
    this.#go({ areas: areas.includes(id) ? areas.filter(each => each !== id) : [...areas, id].slice(-MOST_AREAS) })
  }

  #categories() {
    const { dataset, category } = this.#question
    const schemes = [...new Set(dataset.categories.map(each => each.scheme))]
    return schemes.map(scheme => ({
      title: schemes.length > 1 ? `By ${String(scheme).replaceAll('_', ' ')}` : 'Categories',
      options: dataset.categories.filter(each => each.scheme === scheme).map(each => ({
        id: each.id, title: each.title, depth: each.depth, selected: each.id === category.id, also: each.role === 'total' ? 'total' : '',
      })),
    }))
  }

  #areas(index) {
    const chosen = this.#question.state.areas
    const of = level => index.areas.filter(level).map(area => ({ id: area.id, title: area.name, also: area.abbreviation, selected: chosen.includes(area.id) }))
    return [
      { title: 'States', options: of(area => area.level === 'state') },
      { title: 'The nation and its regions', options: of(area => area.level !== 'state') },
    ]
  }
}
