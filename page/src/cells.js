// Figures of one category in memory, and what was known of them when.

/** Figures by measure, area and period. A cell that is not there was not published. */
export class Cells {
  #found = new Map()

  put(measure, area, period, value, status) {
    let areas = this.#found.get(measure)
    if (!areas) this.#found.set(measure, (areas = new Map()))
    let periods = areas.get(area)
    if (!periods) areas.set(area, (periods = new Map()))
    periods.set(period, { value, status })
  }

  /** The cell, or none. */
  at(measure, area, period) {
    return this.#found.get(measure)?.get(area)?.get(period)
  }

  /** The periods of an area, each with its cell. */
  of(measure, area) {
    return this.#found.get(measure)?.get(area) ?? new Map()
  }

  has(measure) {
    return this.#found.has(measure)
  }

  areas(measure) {
    return [...(this.#found.get(measure)?.keys() ?? [])]
  }

  /** The newest period that has a number, of any of these areas. */
  newest(measure, areas) {
    let newest = null
    for (const area of areas) {
      for (const [period, { value }] of this.of(measure, area)) if (value !== null && (newest === null || period > newest)) newest = period
    }
    return newest
  }
}

/** Columns of figures as cells. */
export function cellsOf({ measure, area, period, value, status }) {
  const cells = new Cells()
  for (let row = 0; row < measure.length; row += 1) cells.put(measure[row], area[row], period[row], value[row] ?? null, status[row])
  return cells
}

/**
 * What was known of a measure at an extract, by its number: of each cell the last row that is not later. Rows of the
 * history are in the order of their extracts.
 */
export function asKnown(measure, history, extract) {
  const { area, period, value, status } = history
  const cells = new Cells()
  for (let row = 0; row < area.length; row += 1) {
    if (history.extract[row] <= extract) cells.put(measure, area[row], period[row], value[row] ?? null, status[row])
  }
  return cells
}

/** The cells of a measure in which two states of knowledge differ: each with what was known before and after. */
export function changes(before, after, measure, areas, periods) {
  const found = []
  for (const area of areas) {
    for (const period of periods) {
      const [was, is] = [before.at(measure, area, period), after.at(measure, area, period)]
      if (was?.value === is?.value && was?.status === is?.status) continue
      const kind = !was ? 'new' : !is ? 'gone' : was.value !== null && is.value !== null ? 'revised' : is.value === null ? 'now missing' : 'now reported'
      found.push({ area, period, was, is, kind, by: kind === 'revised' ? is.value - was.value : null })
    }
  }
  return found
}

/** Places among states: equal values share one. None where a figure is missing. */
export function ranked(rows) {
  const reported = rows.filter(row => row.value !== null).sort((a, b) => b.value - a.value)
  return reported.map(row => ({ ...row, rank: 1 + reported.filter(other => other.value > row.value).length }))
}
