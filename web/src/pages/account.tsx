// SPDX-License-Identifier: Apache-2.0
// What somebody can do about their own login: password, second factor, where they are logged in.
import { useState } from 'preact/hooks'
import { Dialog } from '../components/dialog'
import { ListTable, type Column } from '../components/table'
import { Banner, Button, Card, Chip, Copy, Empty, PageHead, Refusable, TextField, Time } from '../components/ui'
import { api, Problem } from '../lib/api'
import { say } from '../lib/format'
import { useList } from '../lib/resource'
import { leave, me, whoAmI } from '../lib/session'
import { useStore } from '../lib/store'
import { act, toast } from '../lib/toast'
import { texts } from '../texts'
import { PASSWORD_MIN, UserName } from './login'

const T = texts.account
interface Login {
    id: string
    created: string
    last_used: string
    address: string
    user_agent: string
    current: boolean
}

function Password() {
    const [current, setCurrent] = useState('')
    const [first, setFirst] = useState('')
    const [second, setSecond] = useState('')
    const [problem, setProblem] = useState<Problem | null>(null)
    const send = async (event: Event): Promise<void> => {
        event.preventDefault()
        if (first !== second) return setProblem(new Problem(0, texts.login.different, 'again'))
        try {
            await api.put('/me/password', { current, new: first })
            setCurrent('')
            setFirst('')
            setSecond('')
            setProblem(null)
            toast(T.changed)
        } catch (error) {
            setProblem(error instanceof Problem ? error : new Problem(0, String(error)))
        }
    }
    return (
        <Card title={T.password} text={T.passwordText}>
            <form class="fields" onSubmit={event => void send(event)}>
                <Refusable problem={problem}>
                <UserName name={me.get()?.name ?? ''} />
                <TextField label={texts.login.current} name="current" type="password" value={current} onValue={setCurrent} autocomplete="current-password" required />
                <TextField label={texts.login.new} name="new" type="password" value={first} onValue={setFirst} autocomplete="new-password" required hint={say(texts.login.newHint, { n: PASSWORD_MIN })} />
                <TextField label={texts.login.again} name="again" type="password" value={second} onValue={setSecond} autocomplete="new-password" required />
                </Refusable>
                <div><Button type="submit" kind="primary">{T.change}</Button></div>
            </form>
        </Card>
    )
}

function SecondFactor({ on }: { on: boolean }) {
    const [made, setMade] = useState<{ secret: string; uri: string } | null>(null)
    const [code, setCode] = useState('')
    const [off, setOff] = useState(false)
    const [password, setPassword] = useState('')
    return (
        <Card title={T.totp} text={T.totpText} aside={<Chip kind={on ? 'accept' : ''} icon={on ? 'check' : 'minus'}>{on ? texts.users.on : texts.users.off}</Chip>}>
            {on ? <Button onClick={() => setOff(true)}>{T.totpOff}</Button>
                : <Button kind="primary" onClick={() => void api.post<{ secret: string; uri: string }>('/me/totp').then(setMade, (error: unknown) => toast(String(error instanceof Problem ? error.message : error), null, true))}>{T.totpOn}</Button>}
            {made && (
                <Dialog title={T.totpOn} submit={T.totpSubmit} onClose={() => setMade(null)} disabled={code.replace(/\s/g, '').length < 6}
                    onSubmit={async () => { await api.put('/me/totp', { code: code.replace(/\s/g, '') }); await whoAmI(); toast(T.totpIsOn) }}>
                    <p>{T.totpHow}</p>
                    <div class="row" style={{ flexWrap: 'nowrap' }}><div class="quote" style={{ flex: 1, letterSpacing: '0.06em' }}>{made.secret.replace(/(.{4})/g, '$1 ')}</div><Copy text={made.secret} label={T.copySecret} /></div>
                    <p class="small"><a href={made.uri}>{T.totpOpen}</a></p>
                    <TextField label={texts.login.code} value={code} onValue={setCode} autocomplete="one-time-code" mono required focus />
                </Dialog>
            )}
            {off && (
                <Dialog title={T.totpOff} submit={T.totpOff} kind="danger" onClose={() => setOff(false)} onSubmit={async () => { await api.post('/me/totp/disable', { password }); await whoAmI(); toast(T.totpIsOff) }}>
                    <TextField label={texts.login.password} type="password" value={password} onValue={setPassword} autocomplete="current-password" required focus />
                </Dialog>
            )}
        </Card>
    )
}

export default function Account() {
    const who = useStore(me)
    if (!who) return null
    return (
        <>
            <PageHead title={who.name} text={texts.role[who.role]} />
            {who.via !== 'session' ? <Banner kind="info" icon="about">{T.noSession}</Banner> : (
                <div class="stack">
                    <div class="grid"><Password /><SecondFactor on={who.totp} /></div>
                    <Logins />
                </div>
            )}
        </>
    )
}

function Logins() {
    const list = useList<Login>('/me/sessions')
    const columns: Column<Login>[] = [
        { key: 'where', title: T.where, cell: row => <><span class="num">{row.address}</span> {row.current && <Chip kind="accent">{T.here}</Chip>}<span class="sub break">{row.user_agent}</span></> },
        { key: 'since', title: T.since, as: 'fit hide-narrow', cell: row => <Time at={row.created} /> },
        { key: 'used', title: T.used, as: 'fit hide-medium', cell: row => <Time at={row.last_used} mode="relative" /> },
        { key: 'acts', title: T.end, quiet: true, as: 'acts', cell: row => row.current ? <Button slim onClick={() => void leave()}>{texts.nav.logout}</Button> : <Button slim onClick={() => void act(() => api.remove(`/me/sessions/${row.id}`), T.ended).then(list.reload)}>{T.end}</Button> },
    ]
    return <Card title={T.sessions} text={T.sessionsText} body={false}><ListTable label={T.sessions} list={list} columns={columns} id={row => row.id} empty={<Empty title={texts.none} />} /></Card>
}
