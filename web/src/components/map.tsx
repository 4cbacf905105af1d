// SPDX-License-Identifier: Apache-2.0
// The world, shaded by how much mail comes from where, with what is blocked marked. A chunk of its own.
import outlines from 'world-outline'
import { country, number } from '../lib/format'
import { texts } from '../texts'

interface MapProps {
    counts: Map<string, number>
    blocked: Set<string>
    here: string
    onPick: (code: string) => void
}
export default function WorldMap({ counts, blocked, here, onPick }: MapProps) {
    const top = Math.log1p(Math.max(1, ...counts.values()))
    return (
        <div class="map">
            <svg viewBox="30 20 1000 400" role="img" aria-label={texts.geo.map}>
                {outlines.map(([code, name, path]) => {
                    const count = counts.get(code) ?? 0
                    return (
                        <path key={name} d={path} class={`${blocked.has(code) ? 'blocked' : count ? 'seen' : ''} ${code ? 'can' : ''} ${here === code && code ? 'here' : ''}`}
                            style={count ? { '--heat': (Math.log1p(count) / top).toFixed(2) } : {}} onClick={() => code && onPick(code)}>
                            <title>{`${code ? country(code) : name}: ${number(count)}${blocked.has(code) ? ` · ${texts.geo.blocked}` : ''}`}</title>
                        </path>
                    )
                })}
            </svg>
        </div>
    )
}
