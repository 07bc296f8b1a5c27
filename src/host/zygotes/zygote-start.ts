// SPDX-License-Identifier: Apache-2.0
// What a zygote is started with: the image of the container that it is made for, and
// nothing of the request for that one, which may hold what is nobody else's.
import { CzoneError } from '../../protocol/errors.js';
import type { Container } from '../containers/container.js';
import { StageClock } from '../containers/stage-clock.js';
import type { Start } from '../containers/start.js';

export function zygoteStart(zygote: Container, like: Start): Start {
  const { image, request } = like;
  if (image.zygote.kind === 'none') {
    throw new CzoneError('FAILED_PRECONDITION', image.zygote.reason);
  }
  return {
    container: zygote,
    image,
    request: {
      ...request,
      requestId: '',
      command: image.zygote.command,
      environment: [],
      labels: [],
      cpuMillis: 0,
      startMode: 'CRUN',
    },
    readyTimeoutMs: like.readyTimeoutMs,
    clock: new StageClock(),
    // It outlives the request.
    signal: new AbortController().signal,
    waitsForVm: true,
  };
}
