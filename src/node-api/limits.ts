// SPDX-License-Identifier: Apache-2.0
// Every bound of the node API on what a caller may send, in one place.
import { LIMITS } from '../host/limits.js';
import * as guest from '../protocol/limits.js';
import { KIB, MIB } from '../protocol/units.js';

/** The longest request message, bytes. */
export const REQUEST_MESSAGE_BYTES_MAX = 256 * KIB;
/** The longest response message, bytes: a full page, or the zones of every VM. */
export const RESPONSE_MESSAGE_BYTES_MAX = 32 * MIB;
export const CONCURRENT_STREAMS_MAX = 512;

export const REQUEST_ID_LENGTH_MAX = 128;
export const IMAGE_PATH_BYTES_MAX = 4095;

// What the guest daemon would refuse is refused before a VM is booted for it.
export const COMMAND_ARGUMENTS_MAX = guest.COMMAND_ARGUMENTS_MAX;
export const COMMAND_ARGUMENT_BYTES_MAX = guest.COMMAND_ARGUMENT_MAX_BYTES;
export const COMMAND_BYTES_MAX = 64 * KIB;

/** The rest of the guest's is left for those of the image and the node. */
export const ENVIRONMENT_VARIABLES_MAX = guest.ENVIRONMENT_MAX / 2;
export const ENVIRONMENT_NAME_LENGTH_MAX = guest.ENVIRONMENT_NAME_MAX_BYTES;
export const ENVIRONMENT_VALUE_BYTES_MAX = guest.ENVIRONMENT_VALUE_MAX_BYTES;
export const ENVIRONMENT_BYTES_MAX = 64 * KIB;

export const LABELS_MAX = 64;
export const LABEL_KEY_LENGTH_MAX = 63;
export const LABEL_VALUE_BYTES_MAX = 255;

/** The least that a container may ask for, bytes. */
export const MEMORY_BYTES_MIN = LIMITS.minContainerBytes;
/** Below this the kernel's quota of 1 ms a period can't express the limit. */
export const CPU_MILLIS_MIN = 10;
export const CPU_MILLIS_MAX = guest.CPU_MILLIS_MAX;
export const READY_TIMEOUT_MS_MAX = guest.READY_TIMEOUT_MAX_MS;
export const GRACE_MS_MAX = guest.GRACE_MAX_MS;
/** From SIGTERM to SIGKILL where the caller names nothing. */
export const GRACE_MS_DEFAULT = LIMITS.defaultGraceMs;

export const PAGE_SIZE_DEFAULT = 100;
export const PAGE_SIZE_MAX = 1_000;
export const PAGE_TOKEN_LENGTH_MAX = 512;

/** Logs are sent in messages of at most this many bytes. */
export const LOG_CHUNK_BYTES_MAX = 64 * KIB;

/** Repeatable calls whose result is remembered; the oldest is forgotten first. */
export const REMEMBERED_REQUESTS_MAX = 1_024;

/** sockaddr_un holds 108 bytes with the closing zero (unix(7)). */
export const SOCKET_PATH_BYTES_MAX = 107;
