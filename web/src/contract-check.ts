// SPDX-License-Identifier: Apache-2.0
// That what the contract says is sent fits what is read here: checked by the compiler alone, no byte of it is bundled.
// contract.ts is made of api/openapi.yaml by build.mjs.
import type * as Sent from './contract'
import type * as Read from './lib/types'

type Fits<S extends R, R> = [S, R]
export type Checked = [
    Fits<Sent.Session, Read.Session>,
    Fits<Sent.Explanation, Read.Explanation>,
    Fits<Sent.Policy, Read.Policy>,
    Fits<Sent.Setting, Read.Setting>,
    Fits<Sent.Settings, Read.Settings>,
    Fits<Sent.Status, Read.Status>,
    Fits<Sent.StatisticsSummary, Read.Summary>,
    Fits<Sent.StatisticsTop['items'][number], Read.TopItem>,
    Fits<Sent.StatisticsMinutes['items'][number], Read.Minute>,
    Fits<Sent.ListEntry, Read.ListEntry>,
    Fits<Sent.Me, Read.Me>,
]
