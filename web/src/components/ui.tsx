// SPDX-License-Identifier: Apache-2.0
// The small parts that every page is made of.
import { createContext, type ComponentChildren, type JSX } from 'preact'
import { useContext, useEffect, useId, useLayoutEffect, useState } from 'preact/hooks'
import { country, exact, relative, utc, when } from '../lib/format'
import { Problem } from '../lib/api'
import type { Verdict } from '../lib/types'
import { texts } from '../texts'
import { Icon, type IconName } from './icon'

type Children = { children?: ComponentChildren }

interface ButtonProps extends Children {
    kind?: 'primary' | 'danger' | 'plain' | ''
    slim?: boolean
    icon?: IconName
    onClick?: () => void
    disabled?: boolean
    /** It works already: it keeps the focus, and whoever made it passes over a second press. */
    busy?: boolean
    type?: 'button' | 'submit'
    title?: string
    label?: string
    pressed?: boolean
    expanded?: boolean
}
export function Button({ kind = '', slim, icon, onClick, disabled, busy, type = 'button', title, label, pressed, expanded, children }: ButtonProps) {
    return (
        <button type={type} class={`${children ? 'button' : 'icon-button'} ${kind} ${slim ? 'slim' : ''}`} onClick={onClick} disabled={disabled} aria-disabled={busy || undefined}
            title={title ?? (children ? undefined : label)} aria-label={label} aria-pressed={pressed} aria-expanded={expanded}>
            {icon && <Icon name={icon} />}
            {children}
        </button>
    )
}
export function LinkButton({ href, icon, kind = '', slim, download, children }: Children & { href: string; icon?: IconName; kind?: string; slim?: boolean; download?: boolean }) {
    return (
        <a class={`button ${kind} ${slim ? 'slim' : ''}`} href={href} download={download}>
            {icon && <Icon name={icon} />}
            {children}
        </a>
    )
}

const MARKS: Record<string, IconName> = { accept: 'check', defer: 'clock', reject: 'ban', none: 'minus', shadow: 'eye' }
/** A verdict: by icon, word and colour. */
export function VerdictChip({ verdict, shadow }: { verdict: Verdict | 'none' | null; shadow?: boolean }) {
    const word = verdict ?? 'none'
    return (
        <span class={`chip ${shadow ? 'shadow' : word}`}>
            <Icon name={shadow ? 'eye' : MARKS[word] ?? 'minus'} />
            {shadow ? texts.shadowVerdict[word] : texts.verdict[word]}
        </span>
    )
}
export function Chip({ kind = '', icon, children, title }: Children & { kind?: string; icon?: IconName; title?: string }) {
    return (
        <span class={`chip ${kind}`} title={title}>
            {icon && <Icon name={icon} />}
            {children}
        </span>
    )
}

/** A time; the title has it to the second, with zone, and in UTC. */
export function Time({ at, mode = 'when' }: { at: string | null; mode?: 'when' | 'relative' | 'exact' }) {
    const [, tick] = useState(0)
    useEffect(() => {
        if (mode !== 'relative') return
        const timer = setInterval(() => tick(count => count + 1), 15000)
        return () => clearInterval(timer)
    }, [mode])
    if (!at) return <span class="soft">{texts.never}</span>
    const text = mode === 'relative' ? relative(at) : mode === 'exact' ? exact(at) : when(at)
    return (
        <time dateTime={at} title={`${exact(at)} · ${utc(at)}`} class="nowrap num">
            {text}
        </time>
    )
}

export function PageHead({ title, text, children }: Children & { title: string; text?: ComponentChildren }) {
    useEffect(() => {
        document.title = `${title} · SecZim`
    }, [title])
    return (
        <header class="page-head">
            <div class="what">
                <h1>{title}</h1>
                {text && <p>{text}</p>}
            </div>
            {children && <div class="actions">{children}</div>}
        </header>
    )
}

export function Card({ title, text, aside, foot, body = true, children }: Children & { title?: ComponentChildren; text?: ComponentChildren; aside?: ComponentChildren; foot?: ComponentChildren; body?: boolean }) {
    const id = useId()
    return (
        <section class="card" {...(title ? { 'aria-labelledby': id } : {})}>
            {title && (
                <header>
                    <h2 id={id}>{title}</h2>
                    {aside}
                    {text && <p>{text}</p>}
                </header>
            )}
            {body ? <div class="body">{children}</div> : children}
            {foot && <footer>{foot}</footer>}
        </section>
    )
}

export function Empty({ icon = 'search', title, children, actions }: Children & { icon?: IconName; title: string; actions?: ComponentChildren }) {
    return (
        <div class="empty">
            <Icon name={icon} />
            <p class="title">{title}</p>
            {children && <p>{children}</p>}
            {actions && <div class="actions">{actions}</div>}
        </div>
    )
}
export function Skeleton({ lines = 5 }: { lines?: number }) {
    return (
        <div class="skeleton" role="status" aria-label={texts.loading}>
            {Array.from({ length: lines }, (_, index) => (
                <i key={index} style={{ width: `${92 - ((index * 17) % 40)}%` }} />
            ))}
        </div>
    )
}

function whatToDo(problem: Problem): string {
    const T = texts.error
    if (problem.status === 0) return T.unreachableDo
    if (problem.status === 403) return T.forbiddenDo
    if (problem.status === 404) return T.missingDo
    if (problem.status === 412 || problem.status === 409) return T.conflictDo
    if (problem.status === 429) return T.tooManyDo
    return problem.status >= 500 ? T.serverDo : T.requestDo
}
export function ErrorBox({ error, retry }: { error: Problem; retry?: () => void }) {
    return (
        <div class="empty" role="alert">
            <Icon name="warning" />
            <p class="title">{error.message}</p>
            <p>{whatToDo(error)}</p>
            {retry && (
                <div class="actions">
                    <Button icon="refresh" onClick={retry}>{texts.tryAgain}</Button>
                </div>
            )}
        </div>
    )
}
/** Skeleton, error, or the thing itself. */
export function Await<T>({ of, lines, children }: { of: { data: T | undefined; error: Problem | null; reload: () => void }; lines?: number; children: (data: T) => ComponentChildren }) {
    if (of.data !== undefined) return <>{children(of.data)}</>
    return of.error ? <ErrorBox error={of.error} retry={of.reload} /> : <Skeleton {...(lines ? { lines } : {})} />
}

/** What was refused, and which fields there are to show it beside. */
const Refused = createContext<{ problem: Problem | null; names: Set<string> }>({ problem: null, names: new Set() })
/** Its fields say what the server refused of them, and take the focus; what belongs to none of them stands above. */
export function Refusable({ problem, children }: Children & { problem: Problem | null }) {
    const [names] = useState(() => new Set<string>())
    const beside = problem?.field && names.has(problem.field)
    return (
        <Refused.Provider value={{ problem, names }}>
            {problem?.message && !beside && <Banner kind="bad">{problem.message}</Banner>}
            {children}
        </Refused.Provider>
    )
}
function useRefused(name: string | undefined): Problem | null {
    const { problem, names } = useContext(Refused)
    useLayoutEffect(() => {
        if (!name) return
        names.add(name)
        return () => void names.delete(name)
    }, [name, names])
    return name && problem?.field === name ? problem : null
}

export interface FieldProps extends Children {
    label: ComponentChildren
    /** As the API calls it. */
    name?: string | undefined
    hint?: ComponentChildren
    input: (given: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean | undefined }) => JSX.Element
}
export function Field({ label, name, hint, input }: FieldProps) {
    const id = useId()
    const wrong = useRefused(name)
    useLayoutEffect(() => {
        if (wrong) document.getElementById(id)?.focus()
    }, [wrong])
    const described = [hint ? id + 'h' : '', wrong ? id + 'w' : ''].filter(Boolean).join(' ') || undefined
    return (
        <div class="field">
            <label for={id}>{label}</label>
            {input({ id, 'aria-describedby': described, 'aria-invalid': wrong ? true : undefined })}
            {hint && <span class="hint" id={id + 'h'}>{hint}</span>}
            {wrong && <span class="wrong" id={id + 'w'} role="alert">{wrong.message}</span>}
        </div>
    )
}
interface TextProps {
    label: ComponentChildren
    value: string
    onValue: (value: string) => void
    name?: string
    hint?: ComponentChildren
    type?: string
    placeholder?: string
    required?: boolean
    focus?: boolean
    mono?: boolean
    rows?: number
    autocomplete?: string
    disabled?: boolean
    list?: string
    min?: number
    max?: number
}
export function TextField({ label, value, onValue, name, hint, type = 'text', placeholder, required, focus, mono, rows, autocomplete, disabled, list, min, max }: TextProps) {
    return (
        <Field label={label} name={name} hint={hint}
            input={given => rows
                ? <textarea {...given} class={`textarea ${mono ? 'mono' : ''}`} rows={rows} value={value} placeholder={placeholder} required={required} disabled={disabled} autofocus={focus} spellcheck={false} onInput={event => onValue(event.currentTarget.value)} />
                : <input {...given} class={`input ${mono ? 'mono' : ''}`} type={type} value={value} placeholder={placeholder} required={required} disabled={disabled} autofocus={focus} list={list} min={min} max={max}
                    autocomplete={(autocomplete ?? 'off') as 'off'} spellcheck={false} onInput={event => onValue(event.currentTarget.value)} />}
        />
    )
}
export type Options = readonly (readonly [value: string, label: string])[]
export function SelectField({ label, value, onValue, options, name, hint, disabled }: { label: ComponentChildren; value: string; onValue: (value: string) => void; options: Options; name?: string; hint?: ComponentChildren; disabled?: boolean }) {
    return <Field label={label} name={name} hint={hint} input={given => <Select {...given} value={value} onValue={onValue} options={options} {...(disabled ? { disabled } : {})} />} />
}
export function Select({ value, onValue, options, ...more }: { value: string; onValue: (value: string) => void; options: Options; disabled?: boolean; id?: string; 'aria-label'?: string; 'aria-describedby'?: string | undefined; 'aria-invalid'?: boolean | undefined }) {
    return (
        <select class="select" {...more} value={value} onChange={event => onValue(event.currentTarget.value)}>
            {options.map(([key, text]) => (
                <option key={key} value={key} selected={key === value}>{text}</option>
            ))}
        </select>
    )
}
export function Switch({ checked, onChange, label, hidden, disabled }: { checked: boolean; onChange: (value: boolean) => void; label: string; hidden?: boolean; disabled?: boolean }) {
    return (
        <label class="switch">
            <input type="checkbox" role="switch" checked={checked} disabled={disabled} onChange={event => onChange(event.currentTarget.checked)} />
            <span class={hidden ? 'hidden' : ''}>{label}</span>
        </label>
    )
}
export function Tabs({ tabs, here, label }: { tabs: readonly { href: string; key: string; text: string; count?: number | undefined }[]; here: string; label: string }) {
    return (
        <nav class="tabs" aria-label={label}>
            {tabs.map(tab => (
                <a key={tab.key} href={tab.href} aria-current={tab.key === here ? 'page' : undefined}>
                    {tab.text}
                    {tab.count !== undefined && <span class="count">{tab.count}</span>}
                </a>
            ))}
        </nav>
    )
}
export function Segments({ options, here, label }: { options: readonly { key: string; text: string; href: string }[]; here: string; label: string }) {
    return (
        <nav class="segments" aria-label={label}>
            {options.map(one => (
                <a key={one.key} href={one.href} aria-current={one.key === here ? 'true' : undefined}>{one.text}</a>
            ))}
        </nav>
    )
}
export function Banner({ kind = '', icon = 'warning', children }: Children & { kind?: string; icon?: IconName }) {
    return (
        <div class={`banner ${kind}`} role={kind === 'bad' ? 'alert' : 'status'}>
            <Icon name={icon} />
            <div>{children}</div>
        </div>
    )
}
export function Copy({ text, label }: { text: string; label: string }) {
    const [done, setDone] = useState(false)
    return <Button slim kind="plain" icon={done ? 'check' : 'copy'} label={done ? texts.copied : label} onClick={() => void navigator.clipboard.writeText(text).then(() => setDone(true))} />
}
export function Meter({ value, max, kind = 'accent', label }: { value: number; max: number; kind?: string; label: string }) {
    const share = max > 0 ? Math.min(100, (100 * value) / max) : 0
    return (
        <span class="meter" role="img" aria-label={label}>
            <i class={kind} style={{ width: `${share}%` }} />
        </span>
    )
}
/** An address or a pattern; where it is narrow, it breaks behind the @ before anywhere else. */
export function Mono({ text }: { text: string }) {
    const parts = text.split('@')
    return <span class="mono break">{parts.map((part, at) => at < parts.length - 1 ? <>{part}@<wbr /></> : part)}</span>
}
/** A country by code and name; flags are drawn by few systems. */
export function Country({ code }: { code: string }) {
    return <><span class="cc" aria-hidden="true">{code}</span> {country(code)}</>
}
