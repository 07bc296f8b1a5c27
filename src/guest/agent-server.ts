// SPDX-License-Identifier: Apache-2.0
// The daemon's service on the link: each session carries calls.
import type { Duplex } from 'node:stream';
import { LinkServer } from '../protocol/link/server.js';
import { serveCalls } from '../protocol/rpc/server.js';
import { type AgentParts, agentService } from './agent-service.js';

export function serveAgent(stream: Duplex, parts: AgentParts): void {
  const handlers = agentService(parts);
  new LinkServer(stream, (session) => serveCalls(session, handlers));
}
