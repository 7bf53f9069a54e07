#!/usr/bin/env bash
# A SLURM of one node on this machine, for the tests: cluster.sh start FOLDER, cluster.sh stop FOLDER.
# Needs root and Debian or Ubuntu. State, logs and process ids lie in FOLDER. Stopping ends what
# starting began, and gives back the /etc/slurm/slurm.conf that was there before.
set -euo pipefail

ACTION=${1:?start or stop}
FOLDER=${2:?a folder for state and logs}
CONF=/etc/slurm/slurm.conf
KEPT=$CONF.before-tests
OURS="# Written by tests/slurm/cluster.sh"

install_slurm() {
    if type slurmctld slurmd munged srun > /dev/null 2>&1; then return; fi  # all four of them
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends slurm-wlm munge
}

configure() {
    mkdir -p "$FOLDER"/{state,spool} /etc/slurm
    # What a killed test run left is ours: it must not take the place of the file kept then.
    if [ -e $CONF ] && ! grep -q "^$OURS" $CONF; then mv $CONF $KEPT; fi
    # Jobs lose SLURM_CONF, so the file has to lie where SLURM looks for it by itself. Two cores, and
    # memory that is counted, so that what a job asks for decides how many run at once.
    cat > $CONF << END
$OURS
ClusterName=tests
SlurmctldHost=$(hostname -s)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$FOLDER/state
SlurmdSpoolDir=$FOLDER/spool
SlurmctldPidFile=$FOLDER/slurmctld.pid
SlurmdPidFile=$FOLDER/slurmd.pid
SlurmctldLogFile=$FOLDER/slurmctld.log
SlurmdLogFile=$FOLDER/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=10
MinJobAge=36000
NodeName=$(hostname -s) CPUs=2 RealMemory=6000 State=UNKNOWN
PartitionName=tests Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
}

start() {
    [ "$(id -u)" = 0 ] || { echo "this needs root: it writes $CONF and starts daemons" >&2; exit 1; }
    if pgrep -x slurmctld > /dev/null || pgrep -x slurmd > /dev/null; then
        echo "a SLURM runs on this machine already; the tests bring their own" >&2
        exit 1
    fi
    install_slurm
    configure
    if ! munge -n > /dev/null 2>&1; then
        install -d -o munge -g munge -m 755 /run/munge
        runuser -u munge -- munged --pid-file=/run/munge/munged.pid
        cp /run/munge/munged.pid "$FOLDER/munged.pid"
    fi
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if [ "$(sinfo -h -o %T 2> /dev/null)" = idle ]; then return; fi
        sleep 0.5
    done
    echo "the node did not come up:" >&2
    tail "$FOLDER"/*.log >&2
    exit 1
}

end() {
    [ -f "$1" ] || return 0
    local process
    process=$(< "$1")
    kill "$process" 2> /dev/null || true
    for _ in $(seq 40); do kill -0 "$process" 2> /dev/null || break; sleep 0.25; done
    rm -f "$1"
}

stop() {
    # Where starting was refused, the SLURM that runs is somebody else's, and so are its jobs.
    if [ ! -d "$FOLDER/state" ]; then return; fi
    scancel --user=root 2> /dev/null || true
    # Without slurmd nobody would end what does not heed its SIGTERM within KillWait.
    for _ in $(seq 120); do
        [ -n "$(squeue -h --user=root 2> /dev/null)" ] || break
        sleep 0.25
    done
    end "$FOLDER/slurmd.pid"
    end "$FOLDER/slurmctld.pid"
    end "$FOLDER/munged.pid"
    rm -f $CONF
    if [ -e $KEPT ]; then mv $KEPT $CONF; fi
}

case $ACTION in
    start) start ;;
    stop) stop ;;
    *) echo "start or stop, not $ACTION" >&2; exit 1 ;;
esac
