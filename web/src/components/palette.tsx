// SPDX-License-Identifier: Apache-2.0
// Ctrl-K: to a page, a setting, or whatever is known of an address, by typing a part of it.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { nameOf } from '../lib/draft'
import { say } from '../lib/format'
import { useResource } from '../lib/resource'
import { go } from '../lib/router'
import { store, useStore } from '../lib/store'
import type { Settings } from '../lib/types'
import { texts } from '../texts'
import { Icon, type IconName } from './icon'

const T = texts.palette
export const paletteOpen = store(false)
interface Target {
    href: string
    text: string
    under: string
    icon: IconName
}
const SHOWN_MAX = 9

/** What an address, a network or a word can mean. */
function meanings(text: string): Target[] {
    const word = encodeURIComponent(text)
    if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text) || /^[0-9a-f]*:[0-9a-f:]+$/i.test(text)) {
        return [
            { href: `/sessions?client=${word}`, text: say(T.sessionsOf, { name: text }), under: texts.sessions.title, icon: 'sessions' },
            { href: `/intelligence/reputation?ip=${word}`, text: say(T.reputationOf, { name: text }), under: texts.reputation.title, icon: 'reputation' },
            { href: `/intelligence/blacklist?ip=${word}`, text: say(T.blacklistOf, { name: text }), under: texts.blacklist.title, icon: 'blacklist' },
            { href: `/geo?ip=${word}`, text: say(T.countryOf, { name: text }), under: texts.geo.title, icon: 'geo' },
            { href: `/rbl?tab=check&ip=${word}`, text: say(T.listsOf, { name: text }), under: texts.rbl.title, icon: 'rbl' },
        ]
    }
    if (text.includes('@')) {
        return [
            { href: `/sessions?sender=${word}`, text: say(T.from, { name: text }), under: texts.sessions.title, icon: 'sessions' },
            { href: `/sessions?recipient=${word}`, text: say(T.to, { name: text }), under: texts.sessions.title, icon: 'sessions' },
            { href: `/quotas?sender=${word}`, text: say(T.usageOf, { name: text }), under: texts.quotas.title, icon: 'quotas' },
            { href: `/access?contains=${word}`, text: say(T.entriesOf, { name: text }), under: texts.access.title, icon: 'access' },
        ]
    }
    return text.length > 2 ? [{ href: `/sessions?text=${word}`, text: say(T.search, { name: text }), under: texts.sessions.title, icon: 'search' }] : []
}

export function Palette({ pages }: { pages: readonly (readonly [href: string, text: string, icon: IconName, admin?: boolean])[] }) {
    const open = useStore(paletteOpen)
    useEffect(() => {
        const pressed = (event: KeyboardEvent): void => {
            if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k' && !event.shiftKey && !event.altKey) {
                event.preventDefault()
                if (paletteOpen.get() || !document.querySelector('dialog[open]')) paletteOpen.set(!paletteOpen.get())
            }
        }
        document.addEventListener('keydown', pressed)
        return () => document.removeEventListener('keydown', pressed)
    }, [])
    return open ? <Finder pages={pages} /> : null
}

function Finder({ pages }: { pages: readonly (readonly [string, string, IconName, boolean?])[] }) {
    const dialog = useRef<HTMLDialogElement>(null)
    const [text, setText] = useState('')
    const [at, setAt] = useState(0)
    const settings = useResource<Settings>('/settings/items')
    useLayoutEffect(() => {
        const before = document.activeElement as HTMLElement | null
        dialog.current?.showModal()
        return () => {
            dialog.current?.close()
            before?.focus()
        }
    }, [])
    const words = text.trim().toLowerCase().split(/\s+/).filter(Boolean)
    const fits = (...parts: string[]): boolean => words.every(word => parts.join(' ').toLowerCase().includes(word))
    const found: Target[] = [
        ...meanings(text.trim()).filter(target => target.icon !== 'search'),
        ...pages.filter(page => fits(page[1], page[0])).map(([href, name, icon]) => ({ href, text: name, under: T.page, icon })),
        ...(words.length ? settings.data?.items ?? [] : []).filter(item => fits(item.key, nameOf(item.key), item.help)).map(item => ({ href: `/settings?search=${item.key}`, text: nameOf(item.key), under: item.key, icon: 'settings' as const })),
        ...meanings(text.trim()).filter(target => target.icon === 'search'),
    ].slice(0, SHOWN_MAX)
    const choose = (target: Target | undefined): void => {
        if (!target) return
        paletteOpen.set(false)
        go(target.href)
    }
    const pressed = (event: KeyboardEvent): void => {
        if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
            event.preventDefault()
            setAt((at + (event.key === 'ArrowDown' ? 1 : found.length - 1)) % Math.max(1, found.length))
        } else if (event.key === 'Enter') {
            event.preventDefault()
            choose(found[at])
        }
    }
    return (
        <dialog class="dialog palette" ref={dialog} aria-label={T.title} onCancel={event => { event.preventDefault(); paletteOpen.set(false) }} onClick={event => event.target === dialog.current && paletteOpen.set(false)}>
            <div>
                <div class="search"><Icon name="search" />
                    <input class="input" autofocus role="combobox" aria-expanded="true" aria-controls="found" aria-autocomplete="list" aria-activedescendant={found.length ? `found-${at}` : undefined} aria-label={T.title} placeholder={T.hint} value={text} spellcheck={false} autocomplete="off"
                        onInput={event => { setText(event.currentTarget.value); setAt(0) }} onKeyDown={pressed} />
                </div>
                <ul id="found" role="listbox" aria-label={T.found}>
                    {found.map((target, index) => (
                        <li key={target.href + target.text} id={`found-${index}`} role="option" aria-selected={index === at} onClick={() => choose(target)} onMouseMove={() => setAt(index)}>
                            <Icon name={target.icon} /><span class="cut">{target.text}</span><span class="soft small cut">{target.under}</span>
                        </li>
                    ))}
                </ul>
                {!found.length && <p class="soft" role="status" style={{ padding: '12px 16px' }}>{T.nothing}</p>}
            </div>
        </dialog>
    )
}
