#!/bin/sh
# Runs a command that installs packages so that none of them starts a service, and keeps the services that are named from
# being started with the machine.
#
#   sh without_services.sh 'SERVICE…' COMMAND…
#
# invoke-rc.d and deb-systemd-invoke, by which packages start services, ask policy-rc.d; 101 is a no. One that is there
# already has its own reasons and stays.
set -eu

policy=${TRACER_POLICY:-/usr/sbin/policy-rc.d}
services=$1
shift

if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

"$@"

for service in $services; do
    update-rc.d "$service" disable
done
