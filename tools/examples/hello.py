"""Tells jumeau of one event, and hears what the customer's twin makes of it.

Needs the stock NATS client (pip install nats-py) and a service with the bank's policy (tools/run).
"""

import asyncio
import json
import os
import sys
import time

import nats


async def main() -> int:
    nc = await nats.connect(os.environ.get("NATS_URL", "nats://127.0.0.1:4222"))
    customer = f"python-{time.time_ns()}"
    actions = await nc.subscribe(f"jumeau.actions.*.*.{customer}")

    event = {"type": "track", "data": {"name": "Payment Made", "properties": {"amount": 2400, "to": "Garage Dupont"}}}
    stored = await nc.jetstream().publish(f"jumeau.events.core.{customer}", json.dumps(event).encode())
    print(f"event    {stored.stream} #{stored.seq}")

    try:
        message = await actions.next_msg(timeout=10)
    except nats.errors.TimeoutError:
        print("no action came: does the service run, with the bank's policy?", file=sys.stderr)
        return 1
    action = json.loads(message.data)["data"]
    print(f"action   {action['action']} in {action['channel']}: {action['text']}")
    print(f"because  {action['reason']['because']}")
    await nc.close()
    return 0


sys.exit(asyncio.run(main()))
