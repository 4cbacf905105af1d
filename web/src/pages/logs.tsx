// SPDX-License-Identifier: Apache-2.0
// Plain lines, as a log has them: of decisions, or of changes of the configuration.
import { Icon } from '../components/icon'
import { Foot } from '../components/table'
import { Button, Card, Empty, ErrorBox, PageHead, Select, Skeleton, Tabs } from '../components/ui'
import { utc } from '../lib/format'
import { useList } from '../lib/resource'
import { setQuery, usePlace } from '../lib/router'
import type { Session } from '../lib/types'
import { texts } from '../texts'
import { understand } from './sessions'

const T = texts.logs
interface Change {
    version: number
    time: string
    author: string
    subject: string
    before: string
    after: string
}
const WORDS = { accept: 'ACCEPT', defer: 'DEFER', reject: 'REJECT' } as const

function Decisions() {
    const { query } = usePlace()
    const search = query.get('search') ?? ''
    const verdict = query.get('verdict') ?? ''
    const list = useList<Session>('/sessions', { ...understand(search), verdict: verdict || understand(search).verdict || '', state: 'all', limit: 100 })
    return (
        <Card body={false}>
            <div class="filters" role="search" aria-label={T.title}>
                <div class="line">
                    <div class="search"><Icon name="search" /><input class="input" data-search type="search" aria-label={texts.sessions.search} placeholder={texts.sessions.searchHint} value={search} onChange={event => setQuery({ search: event.currentTarget.value })} /></div>
                    <Select aria-label={texts.sessions.verdict} value={verdict} onValue={value => setQuery({ verdict: value })} options={[['', texts.sessions.anyVerdict], ['accept', texts.verdictCount.accept], ['defer', texts.verdictCount.defer], ['reject', texts.verdictCount.reject]]} />
                    <Button icon="refresh" onClick={list.reload}>{texts.policies.refresh}</Button>
                </div>
            </div>
            {list.error && !list.items.length ? <ErrorBox error={list.error} retry={list.reload} /> : list.loading ? <Skeleton lines={12} /> : !list.items.length ? <Empty icon="logs" title={texts.sessions.emptyFiltered}>{texts.sessions.emptyFilteredText}</Empty> : (
                <>
                    <ol aria-label={T.decisions} style={{ padding: '8px 0' }}>
                        {list.items.map(row => (
                            <li key={row.sequence}>
                                <a class={`logline ${row.verdict ?? ''}`} href={`/sessions?open=${row.sequence}`}>
                                    <span class="soft">{utc(row.time).replace(' UTC', '')}</span> <b>{row.verdict ? WORDS[row.verdict] : 'MESSAGE'}</b>: policy={row.policy || 'none'} client={row.client_address} from=&lt;{row.sender}&gt;{row.recipient && ` to=<${row.recipient}>`}
                                    {row.identity && ` user=${row.identity}`} reason={row.reason}{row.recipients !== null && ` recipients=${row.recipients}`} {row.reply && `reply="${row.reply}"`}
                                </a>
                            </li>
                        ))}
                    </ol>
                    <Foot count={list.items.length} more={list.more} busy={list.loadingMore} error={list.error} />
                </>
            )}
        </Card>
    )
}

function Changes() {
    const list = useList<Change>('/changes', { limit: 100 })
    return (
        <Card body={false}>
            {list.error && !list.items.length ? <ErrorBox error={list.error} retry={list.reload} /> : list.loading ? <Skeleton lines={8} /> : !list.items.length ? <Empty icon="logs" title={T.noChanges}>{T.noChangesText}</Empty> : (
                <>
                    <ol aria-label={T.changes} style={{ padding: '8px 0' }}>
                        {list.items.map((row, at) => (
                            <li key={`${row.version}-${at}`} class="logline change">
                                <span class="soft">{utc(row.time).replace(' UTC', '')}</span> <b>{row.author}</b> {row.subject}: {row.before && <del class="soft">{row.before}</del>} {row.before && '→'} {row.after || T.removed}
                            </li>
                        ))}
                    </ol>
                    <Foot count={list.items.length} more={list.more} busy={list.loadingMore} error={list.error} />
                </>
            )}
        </Card>
    )
}

export default function Logs() {
    const { query } = usePlace()
    const tab = query.get('tab') ?? 'decisions'
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Tabs label={T.title} here={tab} tabs={[{ key: 'decisions', text: T.decisions, href: '/logs' }, { key: 'changes', text: T.changes, href: '/logs?tab=changes' }]} />
            {tab === 'changes' ? <Changes /> : <Decisions />}
        </>
    )
}
