// SPDX-License-Identifier: Apache-2.0
// Every limit of what the host and the guest daemon say to each other.

/** Largest payload of one frame of the link, bytes. */
export const FRAME_PAYLOAD_MAX_BYTES = 16 * 1024;
/** Bytes that a side of a session may send before the other side has read them. */
export const SESSION_WINDOW_BYTES = 256 * 1024;
/** How long a client of the link waits before it says hello again. */
export const HELLO_REPEAT_MS = 500;

/** Largest call of the guest's service, bytes. */
export const AGENT_MESSAGE_MAX_BYTES = 256 * 1024;
/** Calls that the guest answers at once. */
export const CALLS_AT_ONCE_MAX = 1024;
/** Of an error's words, characters. */
export const CALL_ERROR_MAX_LENGTH = 3000;

/** Arguments of a container's command, and the bytes of one. */
export const COMMAND_ARGUMENTS_MAX = 64;
export const COMMAND_ARGUMENT_MAX_BYTES = 4096;
/** Variables of a container's environment, and the bytes of one name and one value. */
export const ENVIRONMENT_MAX = 256;
export const ENVIRONMENT_NAME_MAX_BYTES = 256;
export const ENVIRONMENT_VALUE_MAX_BYTES = 8192;
export const PATH_MAX_BYTES = 1024;
export const HOSTNAME_MAX_LENGTH = 63;
/** Thousandths of a CPU. */
export const CPU_MILLIS_MAX = 1_000_000;
export const READY_TIMEOUT_MAX_MS = 10 * 60 * 1000;
export const GRACE_MAX_MS = 10 * 60 * 1000;

/** Containers of one sandbox: the addresses of its bridge (.30 to .229). */
export const ADDRESS_FIRST = 30;
export const ADDRESS_LAST = 229;

/** Output that waits in the guest for the host: bytes a stream, and of all streams together. */
export const LOG_BUFFER_BYTES = 64 * 1024;
export const LOG_TOTAL_BYTES = 4 * 1024 * 1024;
/** Largest piece of output in one message, bytes. */
export const LOG_CHUNK_MAX_BYTES = 16 * 1024;
/** Exits that the guest daemon keeps and tells every new watcher again. */
export const EXITS_KEPT = 256;
/** Processes of one container whose placement is told. */
export const INSPECTED_PROCESSES_MAX = 32;

/** Largest message to a zygote, bytes: an environment, mostly. */
export const ZYGOTE_MESSAGE_MAX_BYTES = 64 * 1024;
/** Of a zygote's reason or name, what is read, bytes. */
export const ZYGOTE_TEXT_MAX_BYTES = 1024;
