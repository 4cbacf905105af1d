// SPDX-License-Identifier: Apache-2.0
import { useState } from 'preact/hooks'
import { confirm, Dialog } from '../components/dialog'
import { ListTable, type Column } from '../components/table'
import { Banner, Button, Card, Chip, Copy, Empty, PageHead, Select, SelectField, Tabs, TextField, Time } from '../components/ui'
import { api } from '../lib/api'
import { say } from '../lib/format'
import { useList } from '../lib/resource'
import { usePlace } from '../lib/router'
import { me } from '../lib/session'
import { useStore } from '../lib/store'
import { act } from '../lib/toast'
import type { Role } from '../lib/types'
import { texts } from '../texts'

const T = texts.users
interface User {
    name: string
    role: Role
    disabled: boolean
    totp: boolean
    must_change_password: boolean
    created: string
    last_login: string | null
    one_time_password?: string
}
interface Token {
    id: number | string
    name: string
    scopes: string[]
    role: Role
    user: string
    created: string
    expires: string | null
    last_used: string | null
    prefix: string
    token?: string
}
const ROLES = [['viewer', T.roles.viewer], ['operator', T.roles.operator], ['admin', T.roles.admin]] as const
/** As src/api/access.h has them. */
const SCOPES = ['read', 'lists', 'quotas', 'restrictions', 'reputation', 'greylist', 'policies', 'settings', 'users', 'tokens', 'audit', 'system'] as const

/** A secret that is shown this once. */
function Once({ title, text, secret, onClose }: { title: string; text: string; secret: string; onClose: () => void }) {
    return (
        <Dialog title={title} onClose={onClose}>
            <p>{text}</p>
            <div class="row" style={{ flexWrap: 'nowrap' }}><div class="quote" style={{ flex: 1 }}>{secret}</div><Copy text={secret} label={T.copy} /></div>
        </Dialog>
    )
}

function AddUser({ onClose, onMade }: { onClose: () => void; onMade: (user: User) => void }) {
    const [name, setName] = useState('')
    const [role, setRole] = useState('operator')
    const send = async (): Promise<void> => onMade(await api.post<User>('/users', { name: name.trim(), role }))
    return (
        <Dialog title={T.add} submit={texts.add} onClose={onClose} onSubmit={send} disabled={!name.trim()}>
            <TextField label={texts.login.name} name="name" value={name} onValue={setName} required focus />
            <SelectField label={T.role} name="role" value={role} onValue={setRole} options={ROLES} />
            <p class="soft small">{T.addText}</p>
        </Dialog>
    )
}

function Users() {
    const list = useList<User>('/users', { limit: 100 })
    const who = useStore(me)
    const [open, setOpen] = useState(false)
    const [once, setOnce] = useState<User | null>(null)
    const put = (user: User, change: Partial<User>) => async (): Promise<void> => {
        await api.put(`/users/${encodeURIComponent(user.name)}`, change)
        list.reload()
    }
    const columns: Column<User>[] = [
        { key: 'name', title: texts.login.name, cell: row => <><span class="strong">{row.name}</span> {row.name === who?.name && <Chip kind="accent">{T.you}</Chip>} {row.disabled && <Chip kind="reject" icon="ban">{T.disabled}</Chip>} {row.must_change_password && <Chip kind="defer" icon="clock">{T.mustChange}</Chip>}</> },
        { key: 'role', title: T.role, as: 'fit', cell: row => <Select aria-label={`${T.role}: ${row.name}`} value={row.role} options={(['viewer', 'operator', 'admin'] as const).map(role => [role, texts.role[role]] as const)} onValue={role => void act(put(row, { role: role as Role }), say(T.nowRole, { name: row.name, role: texts.role[role as Role] }), put(row, { role: row.role })).then(done => done || list.reload())} /> },
        { key: 'totp', title: T.totp, as: 'fit hide-medium', cell: row => row.totp ? <Chip kind="accept" icon="check">{T.on}</Chip> : <span class="soft">{T.off}</span> },
        { key: 'last', title: T.lastLogin, as: 'fit hide-narrow', cell: row => <Time at={row.last_login} mode="relative" /> },
        { key: 'acts', title: T.actions, quiet: true, as: 'acts', cell: row => (
            <span class="nowrap">
                {row.name !== who?.name && <Button slim onClick={() => void act(put(row, { disabled: !row.disabled }), say(row.disabled ? T.nowEnabled : T.nowDisabled, { name: row.name }), put(row, { disabled: row.disabled }))}>{row.disabled ? T.enable : T.disable}</Button>}
                {row.totp && <Button slim kind="plain" onClick={() => confirm({ title: say(T.totpOff, { name: row.name }), text: T.totpOffText, submit: T.totpOffSubmit, does: put(row, { totp: false }) })}>{T.totpOffSubmit}</Button>}
                {row.name !== who?.name && <Button slim kind="plain" icon="trash" label={say(T.removeOf, { name: row.name })} onClick={() => confirm({ title: say(T.removeOf, { name: row.name }), text: T.removeText, submit: texts.remove, does: async () => { await api.remove(`/users/${encodeURIComponent(row.name)}`); list.reload() } })} />}
            </span>
        ) },
    ]
    return (
        <Card title={T.users} body={false} aside={<Button slim kind="primary" icon="plus" onClick={() => setOpen(true)}>{T.add}</Button>}>
            <ListTable label={T.users} list={list} columns={columns} id={row => row.name} empty={<Empty icon="users" title={T.none} />} />
            {open && <AddUser onClose={() => setOpen(false)} onMade={user => { list.reload(); setOnce(user) }} />}
            {once?.one_time_password && <Once title={say(T.onceTitle, { name: once.name })} text={T.onceText} secret={once.one_time_password} onClose={() => setOnce(null)} />}
        </Card>
    )
}

function AddToken({ onClose, onMade }: { onClose: () => void; onMade: (token: Token) => void }) {
    const [name, setName] = useState('')
    const [scopes, setScopes] = useState<string[]>(['read'])
    const [expires, setExpires] = useState('31622400')
    const send = async (): Promise<void> => {
        const until = expires ? new Date(Date.now() + Number(expires) * 1000).toISOString() : null
        onMade(await api.post<Token>('/tokens', { name: name.trim(), scopes, ...(until ? { expires: until } : {}) }))
    }
    return (
        <Dialog title={T.addToken} submit={texts.add} onClose={onClose} onSubmit={send} disabled={!name.trim() || !scopes.length}>
            <TextField label={T.tokenName} name="name" value={name} onValue={setName} required focus hint={T.tokenNameHint} />
            <fieldset class="field">
                <legend class="label strong">{T.scopes}</legend>
                <div class="grid" style={{ '--least': '180px', gap: '0 16px' }}>
                    {SCOPES.map(scope => (
                        <label class="choice" key={scope}>
                            <input type="checkbox" checked={scopes.includes(scope)} onChange={event => setScopes(event.currentTarget.checked ? [...scopes, scope] : scopes.filter(one => one !== scope))} />
                            <span>{T.scopeNames[scope]}</span>
                        </label>
                    ))}
                </div>
            </fieldset>
            <SelectField label={texts.lists.expires} name="expires" value={expires} onValue={setExpires} options={[['2592000', texts.lists.month], ['7776000', T.quarter], ['31622400', texts.lists.year], ['', texts.lists.never]]} />
        </Dialog>
    )
}

function Tokens() {
    const list = useList<Token>('/tokens', { limit: 100 })
    const [open, setOpen] = useState(false)
    const [once, setOnce] = useState<Token | null>(null)
    const columns: Column<Token>[] = [
        { key: 'name', title: T.tokenName, cell: row => <><span class="strong">{row.name}</span><span class="sub mono">{row.prefix}…</span></> },
        { key: 'scopes', title: T.scopes, as: 'hide-narrow', cell: row => <span class="row" style={{ gap: '4px' }}>{row.scopes.map(scope => <Chip key={scope}>{scope}</Chip>)}</span> },
        { key: 'user', title: T.of, as: 'fit hide-medium', cell: row => row.user },
        { key: 'expires', title: texts.access.expires, as: 'fit hide-medium', cell: row => row.expires ? <Time at={row.expires} mode="relative" /> : <span class="soft">{texts.lists.never}</span> },
        { key: 'used', title: T.lastUsed, as: 'fit hide-narrow', cell: row => <Time at={row.last_used} mode="relative" /> },
        { key: 'acts', title: T.actions, quiet: true, as: 'acts', cell: row => <Button slim kind="plain" icon="trash" label={say(T.removeOf, { name: row.name })} onClick={() => confirm({ title: say(T.removeOf, { name: row.name }), text: T.tokenRemoveText, submit: texts.remove, does: async () => { await api.remove(`/tokens/${row.id}`); list.reload() } })} /> },
    ]
    return (
        <Card title={T.tokens} text={T.tokensText} body={false} aside={<Button slim kind="primary" icon="plus" onClick={() => setOpen(true)}>{T.addToken}</Button>}>
            <ListTable label={T.tokens} list={list} columns={columns} id={row => String(row.id)} empty={<Empty icon="users" title={T.tokensNone}>{T.tokensNoneText}</Empty>} />
            {open && <AddToken onClose={() => setOpen(false)} onMade={token => { list.reload(); setOnce(token) }} />}
            {once?.token && <Once title={say(T.tokenOnce, { name: once.name })} text={T.tokenOnceText} secret={once.token} onClose={() => setOnce(null)} />}
        </Card>
    )
}

export default function UsersPage() {
    const { query } = usePlace()
    const who = useStore(me)
    const tab = query.get('tab') ?? 'users'
    if (who && who.role !== 'admin') return <Banner kind="info" icon="about">{T.adminsOnly}</Banner>
    return (
        <>
            <PageHead title={T.title} text={T.text} />
            <Tabs label={T.title} here={tab} tabs={[{ key: 'users', text: T.users, href: '/users' }, { key: 'tokens', text: T.tokens, href: '/users?tab=tokens' }]} />
            {tab === 'tokens' ? <Tokens /> : <Users />}
        </>
    )
}
