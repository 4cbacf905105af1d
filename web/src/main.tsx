// SPDX-License-Identifier: Apache-2.0
import { render, type ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Shell } from './components/shell'
import { Empty, ErrorBox, LinkButton, PageHead, Skeleton } from './components/ui'
import { Problem } from './lib/api'
import { keepFocus } from './lib/focus'
import { listen } from './lib/keys'
import { followLinks, go, usePlace } from './lib/router'
import { me, whoAmI } from './lib/session'
import { useStore } from './lib/store'
import { texts } from './texts'
import { Login, NewPassword } from './pages/login'

type Load = () => Promise<{ default: ComponentType<{ name?: string }> }>
const PAGES: Record<string, Load> = {
    '/': () => import('./pages/overview'),
    '/sessions': () => import('./pages/sessions'),
    '/policies': () => import('./pages/policies'),
    '/policies/*': () => import('./pages/policy'),
    '/access': () => import('./pages/access'),
    '/greylisting': () => import('./pages/greylisting'),
    '/rbl': () => import('./pages/rbl'),
    '/geo': () => import('./pages/geo'),
    '/spf': () => import('./pages/spf'),
    '/quotas': () => import('./pages/quotas'),
    '/restrictions': () => import('./pages/restrictions'),
    '/intelligence/reputation': () => import('./pages/reputation'),
    '/intelligence/blacklist': () => import('./pages/blacklist'),
    '/logs': () => import('./pages/logs'),
    '/users': () => import('./pages/users'),
    '/audit': () => import('./pages/audit'),
    '/about': () => import('./pages/about'),
    '/account': () => import('./pages/account'),
    '/settings': () => import('./pages/settings'),
}
/** Other names of pages: the menus of the product's documents, and what people type. */
const ALSO: Record<string, string> = {
    '/overview': '/',
    '/logs/sessions': '/sessions',
    '/access/whitelist': '/access?list=allow',
    '/access/blacklist': '/access?list=block',
    '/acl': '/access',
    '/settings/sender-restrictions': '/restrictions',
    '/settings/users': '/users',
    '/settings/tokens': '/users?tab=tokens',
    '/settings/about': '/about',
    '/intelligence': '/intelligence/reputation',
}

const loaded = new Map<string, ComponentType<{ name?: string }>>()

function find(path: string): [key: string, name: string] | null {
    if (PAGES[path]) return [path, '']
    const cut = path.lastIndexOf('/')
    const parent = path.slice(0, cut)
    return PAGES[parent + '/*'] ? [parent + '/*', decodeURIComponent(path.slice(cut + 1))] : null
}

function Page() {
    const { path } = usePlace()
    const [, again] = useState(0)
    const [failed, setFailed] = useState<string | null>(null)
    const also = ALSO[path]
    useEffect(() => {
        if (also) go(also, true)
    }, [also])
    const found = find(path)
    const key = found?.[0]
    useEffect(() => {
        const load = key ? PAGES[key] : undefined
        if (!key || !load || loaded.has(key)) return
        load().then(page => { loaded.set(key, page.default); again(count => count + 1) }, () => setFailed(key))
    }, [key])
    if (also) return null
    if (!found || !key) return <><PageHead title={texts.missing.title} /><Empty icon="search" title={texts.missing.text} actions={<LinkButton href="/" kind="primary">{texts.missing.home}</LinkButton>} /></>
    if (failed === key) return <ErrorBox error={new Problem(0, texts.error.chunk)} retry={() => location.reload()} />
    const Found = loaded.get(key)
    return Found ? <Found key={path} name={found[1]} /> : <Skeleton lines={10} />
}

function App() {
    const who = useStore(me)
    useEffect(() => void whoAmI(), [])
    if (who === undefined) return <div class="center" aria-busy="true" />
    if (who === null) return <Login />
    if (who.must_change_password) return <NewPassword />
    return (
        <Shell>
            <Page />
        </Shell>
    )
}

listen()
followLinks()
keepFocus()
render(<App />, document.getElementById('app') as HTMLElement)
