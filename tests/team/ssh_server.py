"""An SSH server on loopback with SFTP, as its own process: `python -m tests.team.ssh_server PORT KEY`.

It writes a new private key to KEY, accepts that key from any user, and runs no commands.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import asyncssh


async def serve(port: int, key_file: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(key_file)
    key_file.chmod(0o600)
    public = key_file.with_suffix(".pub")
    key.write_public_key(public)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen(
        "127.0.0.1", port, server_host_keys=[host_key], authorized_client_keys=str(public), sftp_factory=True
    )
    print("ready", flush=True)
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
