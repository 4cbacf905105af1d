// SPDX-License-Identifier: Apache-2.0
import type { ComponentChildren } from 'preact'
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { Logo } from '../components/icon'
import { Button, Refusable, TextField } from '../components/ui'
import { api, Problem } from '../lib/api'
import { duration, say } from '../lib/format'
import { enter, leave, me, whoAmI } from '../lib/session'
import type { Me } from '../lib/types'
import { texts } from '../texts'

const T = texts.login

function Frame({ title, text, problem, submit, busy, onSubmit, children, foot }: { title: string; text?: string; problem: Problem | null; submit: string; busy: boolean; onSubmit: () => void; children: ComponentChildren; foot?: ComponentChildren }) {
    useEffect(() => {
        document.title = `${title} · SecZim`
    }, [title])
    return (
        <main class="center">
            <div class="login">
                <div class="brand"><Logo />SecZim</div>
                <div class="card">
                    <form class="body fields" onSubmit={event => { event.preventDefault(); onSubmit() }}>
                        <div>
                            <h1>{title}</h1>
                            {text && <p class="soft">{text}</p>}
                        </div>
                        <Refusable problem={problem}>{children}</Refusable>
                        <Button kind="primary" type="submit" busy={busy}>{submit}</Button>
                        {foot}
                    </form>
                </div>
            </div>
        </main>
    )
}

export function Login() {
    const [name, setName] = useState('')
    const [password, setPassword] = useState('')
    const [code, setCode] = useState('')
    const [step, setStep] = useState<'name' | 'code'>('name')
    const [problem, setProblem] = useState<Problem | null>(null)
    const [busy, setBusy] = useState(false)
    const send = async (): Promise<void> => {
        if (busy) return
        setBusy(true)
        setProblem(null)
        try {
            const who = await api.post<Me>('/login', { name, password, ...(step === 'code' ? { code: code.replace(/\s/g, '') } : {}) })
            enter(who)
            if (!who.via) await whoAmI()
        } catch (error) {
            const wrong = error instanceof Problem ? error : new Problem(0, String(error))
            if (wrong.members.code_required && step === 'name') setStep('code')
            else setProblem(wrong.retryAfter ? new Problem(wrong.status, say(T.wait, { time: duration(wrong.retryAfter) })) : wrong)
        } finally {
            setBusy(false)
        }
    }
    if (step === 'code') {
        return (
            <Frame key="code" title={T.codeTitle} text={T.codeText} problem={problem} submit={T.submit} busy={busy} onSubmit={() => void send()}
                foot={<Button kind="plain" onClick={() => { setStep('name'); setCode(''); setProblem(null) }}>{T.back}</Button>}>
                <Focused><TextField label={T.code} value={code} onValue={setCode} autocomplete="one-time-code" required focus mono /></Focused>
            </Frame>
        )
    }
    return (
        <Frame key="name" title={T.title} problem={problem} submit={T.submit} busy={busy} onSubmit={() => void send()}>
            <Focused><TextField label={T.name} value={name} onValue={setName} autocomplete="username" required focus /></Focused>
            <TextField label={T.password} value={password} onValue={setPassword} type="password" autocomplete="current-password" required />
            {location.protocol === 'http:' && !/^(localhost|127\.|\[::1\])/.test(location.host) && <p class="soft small">{texts.nav.plainHttp}</p>}
        </Frame>
    )
}

function Focused({ children }: { children: ComponentChildren }) {
    const box = useRef<HTMLDivElement>(null)
    useLayoutEffect(() => box.current?.querySelector('input')?.focus(), [])
    return <div ref={box}>{children}</div>
}

/** For password managers: whose password is changed. */
export function UserName({ name }: { name: string }) {
    return <input class="hidden" type="text" autocomplete="username" value={name} readOnly tabIndex={-1} aria-hidden="true" />
}

export const PASSWORD_MIN = 12

export function NewPassword() {
    const [current, setCurrent] = useState('')
    const [first, setFirst] = useState('')
    const [second, setSecond] = useState('')
    const [problem, setProblem] = useState<Problem | null>(null)
    const [busy, setBusy] = useState(false)
    const send = async (): Promise<void> => {
        if (busy) return
        if (first !== second) return setProblem(new Problem(0, T.different, 'again'))
        setBusy(true)
        setProblem(null)
        try {
            await api.put('/me/password', { current, new: first })
            const who = me.get()
            if (who) enter({ ...who, must_change_password: false })
            await whoAmI()
        } catch (error) {
            setProblem(error instanceof Problem ? error : new Problem(0, String(error)))
        } finally {
            setBusy(false)
        }
    }
    return (
        <Frame title={T.changeTitle} text={T.changeText} problem={problem} submit={T.changeSubmit} busy={busy} onSubmit={() => void send()}
            foot={<Button kind="plain" onClick={() => void leave()}>{texts.nav.logout}</Button>}>
            <UserName name={me.get()?.name ?? ''} />
            <Focused><TextField label={T.current} name="current" value={current} onValue={setCurrent} type="password" autocomplete="current-password" required focus /></Focused>
            <TextField label={T.new} name="new" value={first} onValue={setFirst} type="password" autocomplete="new-password" required hint={say(T.newHint, { n: PASSWORD_MIN })} />
            <TextField label={T.again} name="again" value={second} onValue={setSecond} type="password" autocomplete="new-password" required />
        </Frame>
    )
}
