"""A SLURM cluster of one node with two pretend GPUs, in a folder of its own, without root or munge."""

import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

CONFIGURATION = """
ClusterName=smoke
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/none
CredType=cred/none
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool
SlurmctldPidFile={root}/run/slurmctld.pid
SlurmdPidFile={root}/run/slurmd.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=5,batch_sched_delay=0,bf_interval=5
MinJobAge=3600
KillWait=5
GresTypes=gpu
NodeName=node0 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 \
ThreadsPerCore=1 RealMemory=200000 Gres=gpu:pretend:2 State=UNKNOWN
PartitionName=cpu Nodes=node0 Default=YES MaxTime=240 State=UP
PartitionName=gpu Nodes=node0 MaxTime=240 State=UP
"""
# Character devices, or SLURM sets no CUDA_VISIBLE_DEVICES.
GPUS = "".join(f"NodeName=node0 Name=gpu Type=pretend File=/dev/{name}\n" for name in ("null", "zero"))
TOOLS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")


def missing():
    """Why no cluster can be started here, or None."""
    absent = [tool for tool in TOOLS if not find(tool)]
    return f"SLURM is not installed ({', '.join(absent)})" if absent else None


def find(tool):
    return shutil.which(tool, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"]))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Cluster:
    """Start with `with`; `environment` is what commands need to speak to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name in ("state", "spool", "run", "log", "etc", "bin"):
            (root / name).mkdir(parents=True)
        self.configuration = root / "etc" / "slurm.conf"
        host = socket.gethostname().split(".")[0]
        user = getpass.getuser()
        self.configuration.write_text(
            CONFIGURATION.format(root=root, host=host, user=user, ports=free_ports(2)).lstrip()
        )
        (root / "etc" / "gres.conf").write_text(GPUS)
        # Snakemake's job steps lose SLURM_CONF, which a cluster with /etc/slurm/slurm.conf does not need.
        (root / "bin" / "srun").write_text(
            f'#!/bin/sh\nSLURM_CONF={self.configuration} exec {find("srun")} "$@"\n'
        )
        (root / "bin" / "srun").chmod(0o755)
        self.environment = {
            "SLURM_CONF": str(self.configuration),
            "PATH": os.pathsep.join([str(root / "bin"), os.environ["PATH"]]),
        }
        self.daemons = []

    def __enter__(self):
        environment = {**os.environ, **self.environment}
        for command in (["slurmctld", "-i", "-D"], ["slurmd", "-N", "node0", "-D"]):
            words = [find(command[0]), *command[1:]]
            with (self.root / "log" / f"{command[0]}.out").open("w") as log:
                self.daemons.append(subprocess.Popen(words, env=environment, stdout=log, stderr=log))
        deadline = time.monotonic() + 60
        while self.run("sinfo", "-h", "-N", "-o", "%T").strip().split("\n")[0] != "idle":
            if time.monotonic() > deadline:
                logs = "".join(file.read_text()[-2000:] for file in (self.root / "log").iterdir())
                self.__exit__()
                raise RuntimeError(f"SLURM did not start: {logs}")
            time.sleep(0.2)
        return self

    def __exit__(self, *error):
        self.run("scancel", "--user", getpass.getuser())
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            daemon.wait(timeout=30)

    def run(self, *command):
        """The standard output of a SLURM command, "" when it fails."""
        environment = {**os.environ, **self.environment}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def jobs(self):
        """All jobs that the cluster remembers, in order: dictionaries of scontrol's keys."""
        shown = self.run("scontrol", "--oneliner", "show", "jobs").splitlines()
        jobs = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in shown if line.startswith("JobId=")]
        return sorted(jobs, key=lambda job: int(job["JobId"]))
