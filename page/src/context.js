// What every view is given: the question, the figures that answer it, and the words for both.

import { dayInWords, inWords, periodsOf } from './periods.js'
import { plain, signed, written } from './numbers.js'
import { measuresOf, nowOf } from './state.js'

const capital = text => text.charAt(0).toUpperCase() + text.slice(1)

/** The question in the terms of the index: the things that the ids of a state name. */
export class Question {
  constructor(index, state) {
    this.index = index
    this.state = state
    this.dataset = index.datasets.find(each => each.id === state.dataset)
    this.category = this.dataset.categories.find(each => each.id === state.category)
    this.measure = this.dataset.measures.find(each => each.id === state.measure)
    this.known = this.dataset.extracts.findIndex(each => each.extract === state.known)
    this.extract = this.dataset.extracts[this.known]
    this.isNow = this.known === nowOf(this.dataset)
    this.measures = measuresOf(this.dataset, this.category)
    this.periods = periodsOf(this.dataset)
    this.since = this.periods.filter(period => period >= state.since)
  }

  area(id) {
    return this.index.areas.find(each => each.id === id)
  }

  /** What an area is called where there is little room. */
  brief(id) {
    const area = this.area(id)
    return area?.abbreviation ?? area?.name ?? id
  }

  /** Whether figures of this measure are kept as they were known earlier. */
  get movesInTime() {
    return Boolean(this.measure.history)
  }

  write(value) {
    return written(value, this.measure.decimals)
  }

  difference(value) {
    return signed(value, this.measure.decimals)
  }

  plain(value) {
    return plain(value, this.measure.decimals)
  }

  /** Why there is no number, in words that may stand within a sentence. */
  reason(cell) {
    if (cell?.value !== null && cell?.value !== undefined) return ''
    if (!cell?.status) {
      return this.isNow
        ? 'no such figure is published for this area and time'
        : `nothing was published of it by then (${this.knownWords})`
    }
    return this.index.statuses[cell.status] ?? `its status is “${cell.status}”`
  }

  get knownWords() {
    return this.movesInTime ? this.extract.released ? `as released on ${dayInWords(this.extract.released)}` : `as known on ${dayInWords(this.extract.extract)}` : 'as held now'
  }

  get title() {
    return capital(this.measure.title)
  }

  /** The unit, with the year in whose prices it is where it has one; of a rank, which has none, the order. */
  get unit() {
    const { unit, base_year: now, base_years: years } = this.measure
    const year = this.movesInTime ? (years?.[this.known] ?? now) : now
    return [unit ?? 'place among states, the largest first', year && !String(unit).includes(year) && `base year ${year}`].filter(Boolean).join(', ')
  }

  /** A number with its unit. */
  full(value) {
    return `${this.write(value)}${this.measure.unit ? ` ${this.measure.unit}` : ''}`
  }

  get what() {
    return this.title.toLowerCase().startsWith(this.category.title.toLowerCase()) ? this.title : `${this.title}: ${this.category.title}`
  }

  /** What is seen, without the areas: category, measure, unit, and the day of knowledge. */
  heading(areas, period) {
    return {
      title: this.what,
      under: [areas, period && (typeof period === 'number' ? inWords(period) : period), this.unit, this.knownWords].filter(Boolean).join(' · '),
    }
  }

  get kind() {
    if (this.measure.is_estimated) return 'Estimates of this pipeline, not published figures.'
    if (this.measure.is_published) return this.index.is_sample ? 'An invented figure, where BEA publishes one.' : 'Published by BEA.'
    return `Derived by this pipeline from published figures${this.measure.formula ? `: ${this.measure.formula}` : ''}.`
  }
}

/** The question with the figures that answer it. */
export class Context extends Question {
  constructor(index, state, { cells, set, width, go, href }) {
    super(index, state)
    Object.assign(this, { cells, set, width, go, href })
    const held = new Set(cells.areas(this.measure.id))
    this.areas = index.areas.filter(area => held.has(area.id))
    this.states = this.areas.filter(area => area.level === 'state')
    this.totals = this.areas.filter(area => area.level !== 'state')
  }

  /** The periods that are asked for, up to the last of which anything was known: what came later is no gap. */
  get sinceAsKnown() {
    const last = this.since.findLastIndex(period => this.areas.some(area => this.at(area, period)))
    return last < 0 ? this.since : this.since.slice(0, last + 1)
  }

  at(area, period = this.state.period) {
    return this.cells.at(this.measure.id, area.id, period)
  }

  /** Areas with their figure of a period, as rows of a table and of a file. */
  rows(areas, period = this.state.period) {
    return areas.map(area => {
      const cell = this.at(area, period)
      return { area, period, cell, value: cell?.value ?? null, status: cell?.status ?? 'no_row' }
    })
  }

  /** Rows as a file has them. */
  file(rows) {
    return {
      columns: ['area', 'level', 'fips', 'period', 'value', 'unit', 'status', 'reason'],
      rows: rows.map(({ area, period, value, status, cell }) => [
        area.name, area.level, area.id, period, this.plain(value), this.unit, status, this.reason(cell),
      ]),
    }
  }
}
