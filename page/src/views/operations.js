// Operations: the runs of the pipeline, from their reports: time and rows by layer, quarantine, residuals, drift.

import { h, s } from '../dom.js'
import { counted, signed, written } from '../numbers.js'
import { note, plainTable } from '../parts.js'

const LAYERS = ['bronze', 'silver', 'gold', 'postgres']

const moment = text => text.replace('T', ' ').replace(/(:\d\d):\d\d.*$/, '$1 UTC')
/** A moment that does not break within a line. */
const whole = text => text.replaceAll('-', '\u2011').replace(' ', '\u00a0').replace(' UTC', '')
const words = text => text.replaceAll('_', ' ')
const listed = pairs => pairs.map(([name, count]) => `${written(count)} ${words(name)}`).join(', ')

/** How the time of a run splits over its layers, as a bar against the longest run. */
function time(run, longest) {
  let at = 0
  const parts = LAYERS.map((layer, tone) => ({ layer, tone, seconds: run.layers?.[layer]?.seconds ?? 0 })).filter(each => each.seconds > 0)
  return s('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, parts.map(({ tone, seconds }) => {
    const width = (100 * seconds) / longest
    at += width
    return s('rect', { x: at - width, width, y: 0, height: 10, class: `layer-${tone}` })
  }))
}

function detailsOf(run) {
  const details = run.details
  if (!details) return [note(`The details are in the report of the run: ${run.report}`)]
  const part = (title, rows, headings, row, options) => rows?.length > 0 && h('section', {}, h('h4', {}, title), plainTable(title, headings, rows.map(row), options))
  const differences = (details.compared ?? []).flatMap(each => (each.differences ?? []).map(drift => ({ ...drift, against: each })))
  return [
    part('What went wrong', details.failures, ['Step', 'What', 'What to do'], each => [each.step, each.what, each.what_to_do]),
    part('Checks that did not pass', details.problems, ['Asset', 'Check', 'Outcome', 'What it saw'], each => [each.asset, words(each.name), each.outcome, each.summary]),
    part('Steps', details.steps, ['Step', 'Status', 'Seconds', 'Rows', 'What it did'], each => [each.step, each.status, written(each.seconds, 2), written(each.rows), [each.did, each.partitions].filter(Boolean).join(' · ')], { numbers: [2, 3] }),
    part('Reconciliation: what came in, and what became of it', details.balances, ['Of', 'Came in', 'Count', 'Became', 'Unaccounted for'], each => {
      const became = Object.entries(each.became)
      return [each.of, each.given_is, written(each.given), listed(became), written(each.given - became.reduce((sum, [, count]) => sum + count, 0))]
    }, { numbers: [2, 4] }),
    part('Quarantine by rule', details.quarantine, ['Dataset', 'Table', 'Rule', 'State', 'Cells', 'Example'], each => [each.dataset, each.bea_table, words(each.rule), each.state, written(each.cells), each.example], { numbers: [4] }),
    part('Residuals of identities', details.identities, ['Identity', 'Table', 'Checked', 'Violations', 'Known exceptions', 'Not checked', 'Largest deviation'],
      each => [words(each.identity), each.asset, written(each.checked), written(each.violations), written(each.known_exceptions), written(each.not_checked),
        (each.largest ?? []).map(of => `${signed(of.deviation, 3)} (tolerance ${written(of.tolerance, 3)}, ${words(of.explained_by)})`).join('; ') || '—'], { numbers: [2, 3, 4, 5] }),
    part('Schema drift', differences, ['Of', 'Kind', 'What', 'Before', 'After'], each => [each.of, words(each.kind), each.what, each.before || '—', each.after || '—']),
    (details.compared ?? []).length > 0 && !differences.length && note(`No schema drift: ${details.compared.map(each => `${each.of} is shaped as in ${each.before ?? 'nothing before it'}`).join('; ')}.`),
    part('Missing figures by status', details.missing, ['Dataset', 'Status', 'Missing', 'Of'], each => [each.dataset, words(each.status), written(each.cells), written(each.of_cells)], { numbers: [2, 3] }),
  ]
}

/** The counts of checks that say something: those that passed, and others where there are any. */
const verdicts = checks => ['passed', 'warned', 'failed'].filter(word => word === 'passed' || checks[word]).map(word => `${written(checks[word])} ${word}`).join(', ')

export async function render(context) {
  const heading = { title: 'Runs of the pipeline', under: 'Newest first, from the report of each run' }
  const file = await context.set.runs()
  const runs = file?.runs ?? []
  if (!runs.length) return { heading, seen: null, node: note('This set has no reports of runs yet. Each run of `pce run` or `pce refresh` adds one.') }
  const longest = Math.max(...runs.map(run => run.seconds), 0.001)
  const total = run => LAYERS.reduce((sum, layer) => sum + (run.layers?.[layer]?.rows ?? 0), 0)
  const rows = runs.map(run => [
    whole(moment(run.started_at)),
    [run.job, h('span', { class: 'also' }, ` ${run.outcome}`)],
    h('span', { class: `word ${run.status}` }, run.status),
    [written(run.seconds, 1), time(run, longest)],
    ...LAYERS.map(layer => (run.layers?.[layer] ? written(run.layers[layer].rows) : '—')),
    run.checks ? verdicts(run.checks) : '—',
    Object.keys(run.quarantine ?? {}).length ? listed(Object.entries(run.quarantine)) : 'none',
    run.drift ? counted(run.drift, 'difference') : 'none',
  ])
  const residuals = Object.entries(runs.find(run => Object.keys(run.residuals ?? {}).length)?.residuals ?? {})
  return {
    heading,
    seen: {
      columns: ['run', 'started_at', 'job', 'status', 'seconds', ...LAYERS.flatMap(layer => [`${layer}_seconds`, `${layer}_rows`]), 'checks_passed', 'checks_warned', 'checks_failed', 'quarantined', 'drift'],
      rows: runs.map(run => [run.run_id, run.started_at, run.job, run.status, run.seconds, ...LAYERS.flatMap(layer => [run.layers?.[layer]?.seconds ?? '', run.layers?.[layer]?.rows ?? '']),
        run.checks?.passed ?? '', run.checks?.warned ?? '', run.checks?.failed ?? '', Object.values(run.quarantine ?? {}).reduce((sum, count) => sum + count, 0), run.drift ?? 0]),
    },
    node: h('div', {},
      h('p', { class: 'lead' }, `${counted(runs.length, 'run')}; the newest took ${written(runs[0].seconds, 1)} seconds for ${counted(total(runs[0]), 'row')} of all layers and ${runs[0].status}.`),
      h('ul', { class: 'legend', 'aria-label': 'Layers of the bars' }, LAYERS.map((layer, tone) => h('li', {}, h('span', { class: `swatch layer-${tone}` }), h('span', {}, layer)))),
      plainTable('Runs', ['Started (UTC)', 'What', 'Status', 'Seconds', ...LAYERS.map(layer => `Rows, ${layer}`), 'Checks', 'Quarantine', 'Drift'], rows, { numbers: [3, 4, 5, 6, 7] }),
      residuals.length > 0 && h('section', {}, h('h3', {}, 'Largest residual of each identity'),
        plainTable('Largest residual of each identity', ['Identity', 'Deviation', 'Tolerance'], residuals.map(([name, of]) => [words(name), signed(of.deviation, 3), written(of.tolerance, 3)]), { numbers: [1, 2] })),
      h('section', {}, h('h3', {}, 'Run by run'), runs.map(run => h('details', {}, h('summary', {}, `${moment(run.started_at)}: ${run.job}, ${run.status}`), h('p', { class: 'also' }, h('code', {}, run.run_id)), detailsOf(run))))),
  }
}
