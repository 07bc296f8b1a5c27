// SPDX-License-Identifier: Apache-2.0
// The questions that can be asked. B7 (trace replay) and B10 (node API) come with the
// node's policies; their names are kept in measurement.ts.
import type { Question } from '../question.js';
import { b1 } from './b1.js';
import { b2 } from './b2.js';
import { b3 } from './b3.js';
import { b4 } from './b4.js';
import { b5 } from './b5.js';
import { b6 } from './b6.js';
import { b8 } from './b8.js';
import { b9 } from './b9.js';

export const ALL_QUESTIONS: readonly Question[] = [b1, b2, b3, b4, b5, b6, b8, b9];
