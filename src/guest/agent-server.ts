// SPDX-License-Identifier: Apache-2.0
// gRPC over the link: each session is one HTTP/2 connection.
import type { Duplex } from 'node:stream';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { AgentServiceService } from '../protocol/gen/czone/guest/v1/agent.js';
import { AGENT_MESSAGE_MAX_BYTES } from '../protocol/limits.js';
import { LinkServer } from '../protocol/link/server.js';
import { type AgentParts, agentService } from './agent-service.js';

export function serveAgent(stream: Duplex, parts: AgentParts): void {
  const server = new Server({
    'grpc.max_receive_message_length': AGENT_MESSAGE_MAX_BYTES,
    'grpc.enable_channelz': 0,
  });
  server.addService(AgentServiceService, agentService(parts));
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  new LinkServer(stream, (session) => injector.injectConnection(session));
}
