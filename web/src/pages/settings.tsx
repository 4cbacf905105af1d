// SPDX-License-Identifier: Apache-2.0
import { SaveBar } from '../components/savebar'
import { SettingCards } from '../components/policyform'
import { Icon } from '../components/icon'
import { Button, Card, Empty, ErrorBox, PageHead, Select, Skeleton, Switch } from '../components/ui'
import { same, useDraft } from '../lib/draft'
import { plural } from '../lib/format'
import { setQuery, usePlace, withQuery } from '../lib/router'
import type { Setting } from '../lib/types'
import { texts } from '../texts'

const T = texts.settings
/** Sections in the order people look for them; what is not named stands at the end. */
const ORDER = ['', 'policies', 'greylisting', 'rbl', 'spf', 'geo', 'quotas', 'ip_reputation', 'auto_blacklist', 'access_list', 'sender_restrictions', 'sender_identity', 'policy_server', 'api', 'dns', 'history', 'journal', 'state', 'replay', 'log', 'paths']
const sectionOf = (item: Setting): string => (item.key.includes('.') ? item.key.slice(0, item.key.indexOf('.')) : '')
const nameOfSection = (name: string): string => texts.section[(name || 'general') as keyof typeof texts.section] ?? name

export default function SettingsPage() {
    const { query } = usePlace()
    const draft = useDraft()
    const search = (query.get('search') ?? '').toLowerCase()
    const changed = query.get('changed') === '1'
    if (!draft.settings) {
        return <><PageHead title={T.title} text={T.text} /><Card>{draft.error ? <ErrorBox error={draft.error} retry={draft.reload} /> : <Skeleton lines={12} />}</Card></>
    }
    const items = draft.settings.items
    const names = [...new Set(items.map(sectionOf))].sort((a, b) => (ORDER.indexOf(a) + 100) % 100 - (ORDER.indexOf(b) + 100) % 100)
    const filtering = search || changed
    const here = names.includes(query.get('section') ?? '') ? query.get('section') ?? '' : ''
    const words = search.split(/\s+/).filter(Boolean)
    const fits = (item: Setting): boolean => (!changed || !same(item.value, item.default)) && words.every(word => `${item.key} ${item.help}`.toLowerCase().includes(word))
    const shown = filtering ? items.filter(fits) : items.filter(item => sectionOf(item) === here)
    const sections = [...new Set(shown.map(sectionOf))]
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <div class="stack">
                <Card body={false}>
                    <div class="filters" style={{ borderBottom: 0 }} role="search" aria-label={T.title}>
                        <div class="line">
                            <div class="search">
                                <Icon name="search" />
                                <input class="input" data-search type="search" aria-label={T.search} placeholder={T.search} value={query.get('search') ?? ''} onInput={event => setQuery({ search: event.currentTarget.value })} />
                            </div>
                            <Switch checked={changed} label={T.changedOnly} onChange={on => setQuery({ changed: on ? '1' : null })} />
                        </div>
                        {!filtering && <div class="only-small"><Select aria-label={T.sections} value={here} options={names.map(name => [name, nameOfSection(name)] as const)} onValue={section => setQuery({ section })} /></div>}
                        {filtering && <p class="soft small" role="status">{plural(shown.length, T.found)}</p>}
                    </div>
                </Card>
                <div class={filtering ? 'stack' : 'side'}>
                {!filtering && <nav aria-label={T.sections}>{names.map(name => <a key={name} href={withQuery({ section: name })} aria-current={name === here ? 'page' : undefined}>{nameOfSection(name)}</a>)}</nav>}
                <div class="stack">
                {!shown.length && <Card><Empty icon="settings" title={T.nothing} actions={<Button onClick={() => setQuery({ search: null, changed: null })}>{T.all}</Button>}>{T.nothingText}</Empty></Card>}
                {sections.map(name => (
                    <div class="stack" key={name}>
                        <SettingCards items={shown.filter(item => sectionOf(item) === name)} draft={draft} title={nameOfSection(name)} full depth={filtering ? 9 : 2} />
                    </div>
                ))}
                <SaveBar draft={draft} />
                </div>
                </div>
            </div>
        </>
    )
}
