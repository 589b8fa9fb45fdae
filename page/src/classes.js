// Classes of a map: six steps of a scale that the values themselves cut, apart below and above zero where both are.

import { quantileSorted, tickStep } from 'd3-array'

export const STEPS = 6

/** Cuts between classes, and whether they lie on both sides of zero. Values are numbers; the missing have no class. */
export function classesOf(values) {
  const sorted = values.filter(value => value !== null && value !== undefined).sort((a, b) => a - b)
  if (!sorted.length) return { kind: 'none', cuts: [], sorted }
  const [least, most] = [sorted[0], sorted.at(-1)]
  if (least < 0 && most > 0) {
    const reach = quantileSorted(sorted.map(Math.abs).sort((a, b) => a - b), 0.9) || most
    const step = tickStep(0, reach, 3)
    return { kind: 'diverging', cuts: [-2 * step, -step, 0, step, 2 * step], sorted }
  }
  const step = tickStep(least, most, 60) || 1
  const cuts = Array.from({ length: STEPS - 1 }, (_, at) => Math.round(quantileSorted(sorted, (at + 1) / STEPS) / step) * step)
  return { kind: 'sequential', cuts: [...new Set(cuts)].filter(cut => cut > least && cut <= most), sorted }
}

/** The class of a value: the number of cuts at or below it, spread over the steps of the scale. */
export function classOf({ kind, cuts }, value) {
  const place = cuts.filter(cut => value >= cut).length
  if (kind === 'diverging' || cuts.length === STEPS - 1) return place
  return cuts.length ? Math.round((place * (STEPS - 1)) / cuts.length) : 2
}

/** What each class holds: from, to (none at the ends), and how many values. */
export function bounds(classes) {
  const { cuts, sorted } = classes
  return [undefined, ...cuts].map((from, at) => {
    const to = cuts[at]
    const within = sorted.filter(value => (from === undefined || value >= from) && (to === undefined || value < to))
    return { from: from ?? sorted[0], to: to ?? sorted.at(-1), count: within.length, step: classOf(classes, from ?? -Infinity) }
  })
}
