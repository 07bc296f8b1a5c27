// SPDX-License-Identifier: Apache-2.0
// Why an artifact is not there: which one, at what step, and where more is said.
import { CzoneError, type ErrorCode } from '../protocol/errors.js';

export interface ArtifactFailure {
  readonly artifact: string;
  /** What the build was at; null: it had not begun. */
  readonly step: string | null;
  /** All that the build printed; null: it had not begun. */
  readonly logFile: string | null;
}

export class ArtifactError extends CzoneError {
  readonly failure: ArtifactFailure;

  constructor(
    code: ErrorCode,
    message: string,
    failure: ArtifactFailure,
    options?: { cause?: unknown },
  ) {
    super(code, message, options);
    this.failure = failure;
  }
}
