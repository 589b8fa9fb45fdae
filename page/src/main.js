// The page: reads the address, asks the set, shows one view. Everything that is shown can be read off the address.

import { Cells } from './cells.js'
import { Context, Question } from './context.js'
import { ASKED, Controls } from './controls.js'
import { csvOf, fileName } from './csv.js'
import { h } from './dom.js'
import { Unreadable } from './files.js'
import { dayInWords, short } from './periods.js'
import { DataSet } from './set.js'
import { hashOf, nowOf, parse, resolve, VIEWS } from './state.js'
import * as bulletin from './views/bulletin.js'
import * as line from './views/line.js'
import * as map from './views/map.js'
import * as missing from './views/missing.js'
import * as operations from './views/operations.js'
import * as quality from './views/quality.js'
import * as ranking from './views/ranking.js'
import * as revisions from './views/revisions.js'
import * as table from './views/table.js'

const RENDERED = { map, line, ranking, table, revisions, missing, quality, bulletin, operations }
const OF_FIGURES = new Set(['map', 'line', 'ranking', 'table', 'revisions', 'missing'])
const WIDEST = 1040
const SAMPLE = 'SAMPLE: synthetic numbers, not figures of BEA'

class Page {
  #set
  #index
  #shown = 0
  #state
  #seen

  constructor(set, index) {
    this.#set = set
    this.#index = index
    this.controls = new Controls(index, (change, how) => this.go(change, how))
    this.tabs = Object.entries(VIEWS).map(([view, title]) => ({ view, node: h('a', {}, title) }))
    this.title = h('h2', { tabindex: -1 })
    this.under = h('p', { class: 'under' })
    this.kind = h('p', { class: 'kind' })
    this.notes = h('div', { role: 'status' })
    this.body = h('div', { class: 'view' })
    this.download = h('button', { type: 'button', onclick: () => this.#save() }, 'Download what is seen (CSV)')
    this.copy = h('button', { type: 'button', onclick: () => this.#copyLink() }, 'Copy the link')
    this.citation = h('p')
    this.copied = h('span', { class: 'also', role: 'status' })
    this.article = h('article', { 'aria-busy': 'true' }, h('header', {}, this.title, this.under, this.kind), this.notes, this.body,
      h('p', { class: 'actions' }, this.download, this.copy, this.copied))
    document.body.replaceChildren(...this.#frame())
    document.body.classList.toggle('sample', Boolean(index.is_sample))
  }

  #frame() {
    const index = this.#index
    return [
      h('a', { class: 'skip', href: '#content', onclick: event => { event.preventDefault(); this.title.focus() } }, 'Skip to the figures'),
      index.is_sample && h('p', { class: 'banner' }, h('strong', {}, 'SAMPLE'), ' Every number here is synthetic, made to try the pipeline. None is a figure of BEA.'),
      h('header', { class: 'masthead' }, h('h1', {}, 'Consumption and prices of the US states'), h('p', {}, index.source)),
      h('nav', { 'aria-label': 'Views' }, h('ul', {}, this.tabs.map(tab => h('li', {}, tab.node)))),
      h('main', { id: 'content' }, this.controls.node, this.article),
      h('footer', {},
        this.citation, h('p', {}, index.licence),
        h('p', { class: 'also' }, 'World ', h('code', {}, index.world), ', set ', h('code', {}, index.version), '. The page asks no other host. ', h('a', { href: 'third-party.txt' }, 'Licences of what it is made with'), '.')),
    ].filter(Boolean)
  }

  href(change) {
    return hashOf(this.#index, resolve(this.#index, { ...this.#asWanted(), ...asText(change) }).state)
  }

  /** Move to another question. `quietly` replaces the address, for a slider that is dragged. */
  go(change, { quietly = false, focus } = {}) {
    const hash = this.href(change)
    this.focusAfter = focus
    if (quietly) history.replaceState(null, '', hash)
    else history.pushState(null, '', hash)
    this.show()
  }

  #asWanted() {
    return parse(hashOf(this.#index, this.#state))
  }

  async show() {
    const { state, notes } = resolve(this.#index, parse(location.hash))
    const viewChanged = this.#state && this.#state.view !== state.view
    this.#state = state
    const canonical = hashOf(this.#index, state)
    if (location.hash !== canonical) history.replaceState(null, '', canonical)
    const question = new Question(this.#index, state)
    this.controls.show(question)
    for (const { view, node } of this.tabs) {
      node.setAttribute('href', hashOf(this.#index, { ...state, view }))
      if (view === state.view) node.setAttribute('aria-current', 'page')
      else node.removeAttribute('aria-current')
    }
    const turn = (this.#shown += 1)
    this.article.setAttribute('aria-busy', 'true')
    try {
      const known = question.isNow || !question.movesInTime ? null : question.known
      const cells = OF_FIGURES.has(state.view) ? await this.#set.cells(question.dataset, state.category, state.measure, known) : new Cells()
      const width = Math.max(280, Math.min(WIDEST, this.body.clientWidth || WIDEST))
      const context = new Context(this.#index, state, { cells, set: this.#set, width, go: (change, how) => this.go(change, how), href: change => this.href(change) })
      const found = await RENDERED[state.view].render(context)
      if (turn !== this.#shown) return
      this.#present(context, found, notes)
    } catch (failed) {
      if (turn !== this.#shown) return
      if (!(failed instanceof Unreadable)) console.error(failed)
      this.#present(question, { heading: question.heading('', ''), seen: null, node: h('p', { class: 'refusal', role: 'alert' }, failed instanceof Unreadable ? failed.message : `The page cannot show this: ${failed.message}`) }, notes)
    }
    this.article.setAttribute('aria-busy', 'false')
    if (viewChanged) this.title.focus({ preventScroll: true })
    if (this.focusAfter) this.body.querySelector(this.focusAfter)?.focus()
    this.focusAfter = undefined
  }

  #present(context, { heading, seen, node }, notes) {
    const { state } = context
    const ofFigures = OF_FIGURES.has(state.view)
    this.title.textContent = heading.title
    this.under.textContent = heading.under
    this.kind.textContent = ofFigures ? context.kind : ''
    this.kind.hidden = !ofFigures
    this.citation.textContent = context.dataset.citation
    this.kind.classList.toggle('estimate', Boolean(context.measure.is_estimated))
    const { dataset } = context
    const now = dataset.extracts[nowOf(dataset)]
    const other = ofFigures && !context.isNow && context.movesInTime
      ? [h('p', { class: 'note' }, `This is what was known on ${dayInWords(context.extract.released ?? context.extract.extract)}. `, h('a', { href: this.href({ known: now.extract }) }, `The current figures are of ${dayInWords(now.released ?? now.extract)}.`))]
      : []
    const told = notes.filter(({ about }) => about === 'view' || ASKED[state.view].includes(about))
    this.notes.replaceChildren(...told.map(({ text }) => h('p', { class: 'note fallback' }, text)), ...other)
    this.body.replaceChildren(node)
    this.download.hidden = !seen
    this.copied.textContent = ''
    this.#seen = seen && { ...seen, heading, context }
    document.title = `${this.#index.is_sample ? 'SAMPLE · ' : ''}${heading.title} · pce look`
  }

  #save() {
    const { columns, rows, heading, context } = this.#seen
    const { state, index } = context
    const ofFigures = OF_FIGURES.has(state.view)
    const text = csvOf({
      about: [
        [index.is_sample ? 'SAMPLE' : '', SAMPLE],
        ['title', heading.title], ['of', heading.under],
        ['unit', ofFigures ? context.unit : ''], ['kind', ofFigures ? context.kind : ''],
        ['known', `extract ${context.extract.extract}${context.extract.released ? `, released ${context.extract.released}` : ''}`],
        ['status', ofFigures ? 'an empty value is a missing figure, never zero; status and reason say why' : ''],
        ['source', index.source], ['licence', index.licence], ['citation', context.dataset.citation], ['set', index.version], ['link', location.hash],
      ].filter(([word]) => word),
      columns, rows,
    })
    const parts = ofFigures ? [state.dataset, state.category, state.measure, state.view, short(state.period)] : [state.view]
    const url = URL.createObjectURL(new Blob([text], { type: 'text/csv;charset=utf-8' }))
    h('a', { href: url, download: fileName([...parts, `known-${state.known}`, index.is_sample ? 'SAMPLE' : '']) }).click()
    setTimeout(() => URL.revokeObjectURL(url), 1000)
  }

  async #copyLink() {
    try {
      await navigator.clipboard.writeText(location.href)
      this.copied.textContent = 'The link is copied. It names the vintage, so it will show the same later.'
    } catch {
      this.copied.textContent = `Copy it from the address bar: it names the vintage, so it will show the same later.`
    }
  }
}

const asText = change => Object.fromEntries(Object.entries(change).map(([key, value]) => [key, value === undefined ? undefined : Array.isArray(value) ? value.join(',') : String(value)]))

async function start() {
  const set = new DataSet(document.querySelector('meta[name=set]').content)
  const index = await set.index()
  const page = new Page(set, index)
  let width = innerWidth
  let waiting
  addEventListener('hashchange', () => page.show())
  addEventListener('popstate', () => page.show())
  addEventListener('resize', () => {
    if (innerWidth === width) return // a phone's address bar changes the height alone
    width = innerWidth
    clearTimeout(waiting)
    waiting = setTimeout(() => page.show(), 150)
  })
  await page.show()
}

// Opened as a file, the page can read no figures: its one sentence stays.
if (location.protocol !== 'file:') {
  start().catch(failed => {
    if (!(failed instanceof Unreadable)) console.error(failed)
    document.body.replaceChildren(h('main', {}, h('p', { class: 'refusal', role: 'alert' }, failed.message)))
  })
}
