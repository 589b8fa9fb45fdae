// Quality: the last word of every check, and how fresh each dataset is.

import { h } from '../dom.js'
import { dayInWords, short } from '../periods.js'
import { counted } from '../numbers.js'
import { note, plainTable } from '../parts.js'

const words = text => text.replaceAll('_', ' ')

const WORST_FIRST = ['failed', 'warned', 'passed']

export async function render(context) {
  const { index } = context
  const heading = { title: 'Quality and freshness', under: 'The last word of every check, and the newest release of every dataset' }
  const checks = ((await context.set.checks())?.checks ?? [])
    .toSorted((a, b) => WORST_FIRST.indexOf(a.said) - WORST_FIRST.indexOf(b.said) || `${a.asset} ${a.name}`.localeCompare(`${b.asset} ${b.name}`))
  const count = said => checks.filter(check => check.said === said).length
  const fresh = plainTable('Freshness of each dataset', ['Dataset', 'From', 'To', 'Newest release held', 'Extracts', 'Held since'],
    index.datasets.map(dataset => [
      dataset.title, short(dataset.first), short(dataset.last),
      dataset.newest_release ? dayInWords(dataset.newest_release) : 'not known',
      String(dataset.extracts.length), dataset.extracts[0].extract,
    ]), { numbers: [1, 2, 4] })
  const row = check => [h('span', { class: `word ${check.said}` }, check.said), check.asset, words(check.name), check.summary ?? '', check.when ? check.when.slice(0, 10) : '—']
  const part = (title, of) => of.length > 0 && h('section', {}, h('h3', {}, title), plainTable(title, ['Word', 'Of', 'Check', 'What it saw', 'When'], of.map(row)))
  const not = checks.filter(check => check.said !== 'passed')
  return {
    heading,
    seen: { columns: ['said', 'asset', 'check', 'summary', 'when', 'run'], rows: checks.map(check => [check.said, check.asset, check.name, check.summary, check.when, check.run]) },
    node: h('div', {},
      h('p', { class: 'lead' }, checks.length ? `${counted(checks.length, 'check')}: ${count('passed')} passed, ${count('warned')} warned, ${count('failed')} failed.` : 'No check has run yet.'),
      h('section', {}, h('h3', {}, 'Freshness'), fresh),
      checks.length > 0 && !not.length && note('Every check passed when it last ran.'),
      part('Checks that did not pass', not),
      part('Checks that passed', checks.filter(check => check.said === 'passed'))),
  }
}
