// SPDX-License-Identifier: Apache-2.0
// A form field for each type of setting, and what a person has to know of it.
import { useId, useState } from 'preact/hooks'
import { nameOf, same, type Draft } from '../lib/draft'
import { bytes, duration, say } from '../lib/format'
import type { Setting, SettingValue } from '../lib/types'
import { texts } from '../texts'
import { Chip, Select } from './ui'

const T = texts.settings
const TIMES = [['1', T.seconds], ['60', T.minutes], ['3600', T.hours], ['86400', T.days]] as const
const SIZES = [['1', 'B'], ['1024', 'KiB'], ['1048576', 'MiB'], ['1073741824', 'GiB']] as const

/** A value as a person reads it. */
export function shown(item: Setting, value: SettingValue | undefined): string {
    if (value === null || value === undefined || value === '') return T.empty
    if (Array.isArray(value)) return value.length ? value.join(', ') : T.empty
    if (typeof value === 'boolean') return value ? T.on : T.off
    if (item.type === 'duration') return duration(Number(value))
    if (item.type === 'size') return bytes(Number(value))
    if (item.type.startsWith('secret')) return T.hidden
    return String(value)
}

interface Given {
    id: string
    'aria-describedby'?: string | undefined
    'aria-invalid'?: boolean | undefined
    disabled: boolean
}

function Scaled({ given, value, units, onValue }: { given: Given; value: number; units: readonly (readonly [string, string])[]; onValue: (value: number) => void }) {
    const fitting = [...units].reverse().find(([factor]) => value > 0 && value % Number(factor) === 0)?.[0] ?? '1'
    const [unit, setUnit] = useState(fitting)
    const amount = value / Number(unit)
    return (
        <div class="pair">
            <input {...given} class="input" type="number" min={0} step="any" value={Number.isFinite(amount) ? Math.round(amount * 1000) / 1000 : ''} onInput={event => onValue(event.currentTarget.valueAsNumber * Number(unit))} />
            <Select aria-label={T.unit} value={unit} options={units} disabled={given.disabled} onValue={next => { setUnit(next); if (Number.isFinite(amount)) onValue(amount * Number(next)) }} />
        </div>
    )
}

function Control({ item, value, given, onValue }: { item: Setting; value: SettingValue | undefined; given: Given; onValue: (value: SettingValue) => void }) {
    switch (item.type) {
        case 'boolean':
            return (
                <span class="switch">
                    <input {...given} type="checkbox" role="switch" checked={value === true} onChange={event => onValue(event.currentTarget.checked)} />
                    <span aria-hidden="true">{value ? T.on : T.off}</span>
                </span>
            )
        case 'number':
            return <input {...given} class="input" type="number" min={item.min ?? undefined} max={item.max ?? undefined} value={Number.isFinite(value) ? String(value) : ''} onInput={event => onValue(event.currentTarget.valueAsNumber)} />
        case 'duration':
            return <Scaled given={given} value={Number(value)} units={TIMES} onValue={onValue} />
        case 'size':
            return <Scaled given={given} value={Number(value)} units={SIZES} onValue={onValue} />
        case 'choice':
            return <Select {...given} value={String(value)} options={(item.choices ?? []).map(choice => [choice, texts.choice[choice as keyof typeof texts.choice] ?? choice] as const)} onValue={onValue} />
        case 'list':
        case 'networks':
            return <textarea {...given} class="textarea mono" rows={Math.min(10, Math.max(2, (value as string[]).length + 1))} placeholder={T.onePerLine} spellcheck={false} value={(value as string[]).join('\n')}
                onChange={event => onValue(event.currentTarget.value.split('\n').map(line => line.trim()).filter(Boolean))} />
        case 'secret':
            return <input {...given} class="input" type="password" autocomplete="off" placeholder={value ? T.secretSet : T.secretEmpty} value={value === '***' ? '' : String(value ?? '')} onInput={event => onValue(event.currentTarget.value)} />
        case 'secrets':
            return <textarea {...given} class="textarea mono" rows={2} spellcheck={false} placeholder={Array.isArray(value) && value.length ? say(T.secretsSet, { n: value.length }) : T.onePerLine}
                value={Array.isArray(value) && !value.some(one => one.includes('***')) ? value.join('\n') : ''} onChange={event => onValue(event.currentTarget.value.split('\n').map(line => line.trim()).filter(Boolean))} />
        default:
            return <input {...given} class="input" type="text" spellcheck={false} value={String(value ?? '')} onInput={event => onValue(event.currentTarget.value)} />
    }
}

export function range(item: Setting): string {
    if (item.min === null || item.max === null) return ''
    if (item.type === 'number') return say(T.range, { from: String(item.min), to: String(item.max) })
    if (item.type === 'duration') return say(T.range, { from: duration(item.min), to: duration(item.max) })
    if (item.type === 'size') return say(T.range, { from: bytes(item.min), to: bytes(item.max) })
    return ''
}

export function SettingRow({ item, draft, may, full }: { item: Setting; draft: Draft; may: boolean; full?: boolean }) {
    const id = useId()
    const value = draft.value(item.key)
    const wrong = draft.wrong?.field === item.key ? draft.wrong.text : null
    const fixed = item.origin === 'file' || item.applies === 'file'
    const differs = !same(value, item.default) && !item.type.startsWith('secret')
    return (
        <div class={`setting ${item.key in draft.changes ? 'changed' : ''}`} data-setting={item.key}>
            <div class="about">
                <label for={id}>{nameOf(item.key)}</label>
                <span class="hint" id={id + 'h'}>{item.help} {range(item)}</span>
                {wrong && <span class="wrong" id={id + 'w'} role="alert">{wrong}</span>}
                <span class="meta">
                    {full && <code>{item.key}</code>}
                    {fixed && <Chip icon="blacklist" title={T.fixedText}>{item.origin === 'file' ? T.fixed : T.fileOnly}</Chip>}
                    {item.applies === 'at restart' && !fixed && <Chip>{T.atRestart}</Chip>}
                    {item.pending && <Chip kind="defer" icon="clock">{T.pending}</Chip>}
                    {differs && !fixed && (
                        <span class="small soft">
                            {say(T.default, { value: shown(item, item.default) })}
                            {may && <>{' '}<button type="button" class="link small" aria-label={say(T.backOf, { name: nameOf(item.key) })} onClick={() => draft.change({ [item.key]: null })}>{T.back}</button></>}
                        </span>
                    )}
                </span>
            </div>
            <div><Control item={item} value={value} given={{ id, 'aria-describedby': `${id}h${wrong ? ` ${id}w` : ''}`, 'aria-invalid': wrong ? true : undefined, disabled: fixed || !may }} onValue={to => draft.change({ [item.key]: to })} /></div>
        </div>
    )
}
