// Years (2024) and months (202405) as the numbers of the set, in order and in words.

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December']

export const isMonth = period => period > 9999

/** Every period from the first to the last, both included. */
export function periodsOf({ first, last }) {
  const found = []
  for (let at = first; at <= last; at += isMonth(at) && at % 100 === 12 ? 89 : 1) found.push(at)
  return found
}

export const inWords = period => (isMonth(period) ? `${MONTHS[(period % 100) - 1]} ${Math.floor(period / 100)}` : String(period))

export const short = period =>
  isMonth(period) ? `${Math.floor(period / 100)}-${String(period % 100).padStart(2, '0')}` : String(period)

export const yearOf = period => (isMonth(period) ? Math.floor(period / 100) : period)

/** A day such as 2025-10-02 in words; what is not a day stands as it is. */
export function dayInWords(day) {
  const found = /^(\d{4})-(\d{2})-(\d{2})/.exec(day ?? '')
  return found ? `${MONTHS[Number(found[2]) - 1]} ${Number(found[3])}, ${found[1]}` : String(day ?? '')
}

/** Runs of periods that follow each other, in words: 1997–2003, 2010. */
export function spans(periods, all) {
  const places = periods.map(period => all.indexOf(period)).sort((a, b) => a - b)
  const runs = []
  for (const place of places) {
    if (runs.length && runs.at(-1)[1] === place - 1) runs.at(-1)[1] = place
    else runs.push([place, place])
  }
  return runs.map(([from, to]) => (from === to ? short(all[from]) : `${short(all[from])}–${short(all[to])}`)).join(', ')
}
