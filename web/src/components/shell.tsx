// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { helpOpen, PAGES } from '../lib/keys'
import { go, usePlace } from '../lib/router'
import { leave, me, useMay } from '../lib/session'
import { useStore } from '../lib/store'
import { dismiss, takeBack, toasts } from '../lib/toast'
import { texts } from '../texts'
import { Confirmation, Dialog } from './dialog'
import { Palette, paletteOpen } from './palette'
import { Icon, Logo, type IconName } from './icon'
import { Banner, Button } from './ui'

type Link = [path: string, text: string, icon: IconName, admin?: boolean]
const T = texts.nav
const GROUPS: { name: string; links: Link[] }[] = [
    { name: '', links: [['/', T.overview, 'overview'], ['/sessions', T.sessions, 'sessions'], ['/logs', T.logs, 'logs']] },
    {
        name: T.groupPolicies,
        links: [['/policies', T.policies, 'policies'], ['/access', T.access, 'access'], ['/greylisting', T.greylisting, 'greylisting'], ['/rbl', T.rbl, 'rbl'],
            ['/spf', T.spf, 'spf'], ['/geo', T.geo, 'geo'], ['/quotas', T.quotas, 'quotas'], ['/restrictions', T.restrictions, 'restrictions']],
    },
    { name: T.groupIntelligence, links: [['/intelligence/reputation', T.reputation, 'reputation'], ['/intelligence/blacklist', T.blacklist, 'blacklist']] },
    { name: T.groupSystem, links: [['/settings', T.settings, 'settings'], ['/users', T.users, 'users', true], ['/audit', T.audit, 'audit', true], ['/about', T.about, 'about']] },
]

function isHere(link: string, path: string): boolean {
    return link === '/' ? path === '/' : path === link || path.startsWith(link + '/')
}

function Rail({ onGo }: { onGo?: () => void }) {
    const { path } = usePlace()
    const who = useStore(me)
    const admin = useMay('admin')
    return (
        <header class="rail">
            <a class="brand" href="/" onClick={onGo}>
                <Logo />
                SecZim
            </a>
            <button type="button" class="goto" onClick={() => { onGo?.(); setTimeout(() => paletteOpen.set(true)) }}>
                <Icon name="search" />
                {texts.palette.title}
                <kbd aria-hidden="true">Ctrl K</kbd>
            </button>
            <nav aria-label={T.label}>
                {GROUPS.map(group => (
                    <div key={group.name}>
                        {group.name && <div class="group" aria-hidden="true">{group.name}</div>}
                        <ul aria-label={group.name || undefined}>
                            {group.links.filter(link => !link[3] || admin).map(([href, text, icon]) => (
                                <li key={href}>
                                    <a href={href} aria-current={isHere(href, path) ? 'page' : undefined} onClick={onGo}>
                                        <Icon name={icon} />
                                        {text}
                                    </a>
                                </li>
                            ))}
                        </ul>
                    </div>
                ))}
            </nav>
            <div class="who">
                <a href="/account" onClick={onGo}>
                    <span class="cut">{who?.name}</span>
                    <small>{who ? texts.role[who.role] : ''}</small>
                </a>
                <ThemeButton />
                <Button slim icon="keyboard" label={T.keys} onClick={() => helpOpen.set(true)} />
                {who?.via === 'trusted' && <Button slim icon="logout" label={T.login} onClick={() => me.set(null)} />}
                {who?.via === 'session' && <Button slim icon="logout" label={T.logout} onClick={() => void leave().then(() => go('/'))} />}
            </div>
        </header>
    )
}

const THEMES = ['auto', 'light', 'dark'] as const
function ThemeButton() {
    const [theme, setTheme] = useState(localStorage.getItem('theme') ?? 'auto')
    const next = THEMES[(THEMES.indexOf(theme as 'auto') + 1) % 3] ?? 'auto'
    const change = (): void => {
        if (next === 'auto') localStorage.removeItem('theme')
        else localStorage.setItem('theme', next)
        setTheme(next)
        dispatchEvent(new Event('themechange'))
    }
    return <Button slim icon={theme === 'light' ? 'sun' : theme === 'dark' ? 'moon' : 'auto'} label={T.theme[theme as 'auto']} onClick={change} />
}

function Drawer({ onClose }: { onClose: () => void }) {
    const element = useRef<HTMLDialogElement>(null)
    useEffect(() => {
        const dialog = element.current
        dialog?.showModal()
        return () => dialog?.close()
    }, [])
    return (
        <dialog class="drawer" ref={element} aria-label={T.label} onCancel={event => { event.preventDefault(); onClose() }} onClick={event => event.target === element.current && onClose()}>
            <Rail onGo={onClose} />
        </dialog>
    )
}

function Toasts() {
    const all = useStore(toasts)
    return (
        <div class="toasts" role="status" aria-live="polite">
            {all.map(one => (
                <div key={one.id} class={`toast ${one.bad ? 'bad' : ''}`}>
                    <p>{one.text}</p>
                    {one.undo && <button type="button" onClick={() => void takeBack(one)}>{texts.toast.undo}</button>}
                    <button type="button" class="close" aria-label={texts.close} onClick={() => dismiss(one.id)}>
                        <Icon name="cross" />
                    </button>
                </div>
            ))}
        </div>
    )
}

function KeyHelp() {
    const open = useStore(helpOpen)
    if (!open) return null
    const K = texts.keys
    const rows: [string[], string][] = [[['Ctrl', 'K'], texts.palette.title], [['/'], K.filter], [['j'], K.next], [['k'], K.previous], [['Enter'], K.open], [['Esc'], K.close], [['p'], K.pause], [['u'], K.undo], [['?'], K.help]]
    const names: Record<string, string> = Object.fromEntries(GROUPS.flatMap(group => group.links).map(link => [link[0], link[1]]))
    names['/intelligence'] = T.groupIntelligence
    return (
        <Dialog title={K.title} onClose={() => helpOpen.set(false)}>
            <div class="grid">
                <dl class="facts">
                    {rows.map(([keys, text]) => [<dt key={text}>{keys.map(key => <kbd class="key" key={key}>{key}</kbd>)}</dt>, <dd key={text + 'd'}>{text}</dd>])}
                </dl>
                <dl class="facts">
                    {Object.entries(PAGES).map(([key, path]) => [<dt key={key}><kbd class="key">g</kbd> <kbd class="key">{key}</kbd></dt>, <dd key={key + 'd'}>{names[path]}</dd>])}
                </dl>
            </div>
        </Dialog>
    )
}

export function Shell({ children }: { children: ComponentChildren }) {
    const [drawer, setDrawer] = useState(false)
    const who = useStore(me)
    const plain = who?.via === 'session' && location.protocol === 'http:' && !/^(localhost|127\.|\[::1\])/.test(location.host)
    return (
        <>
            <a class="skip" href="#main" onClick={event => { event.preventDefault(); document.getElementById('main')?.focus() }}>{T.skip}</a>
            <div class="frame">
                <Rail />
                <div>
                    <header class="top">
                        <Button icon="menu" label={T.open} onClick={() => setDrawer(true)} />
                        <a class="brand" href="/"><Logo />SecZim</a>
                    </header>
                    <main id="main" tabIndex={-1}>
                        {plain && <Banner>{T.plainHttp}</Banner>}
                        {children}
                    </main>
                </div>
            </div>
            {drawer && <Drawer onClose={() => setDrawer(false)} />}
            <Toasts />
            <KeyHelp />
            <Palette pages={GROUPS.flatMap(group => group.links)} />
            <Confirmation />
        </>
    )
}
