/** Everything that can be said of a container when it is created, and how it is inspected. */
export const create: readonly string[] = [
  "docker volume create cf-data",
  "docker network create --subnet 10.82.1.0/24 cf-net",
  "docker create --name cf-plain $IMAGE",
  "docker inspect cf-plain",
  `docker create --name cf-full -h box --domainname example.org -u user -w /work -e A=1 --entrypoint /bin/sh -l one=1 -l two= \
--expose 81/udp -p 10.82.1.1:8081:80 -p 8082-8083:8082-8083/udp --stop-signal INT --stop-timeout 3 -i -t \
--health-cmd 'exit 0' --health-interval 30s --health-timeout 5s --health-retries 2 --health-start-period 1s \
$IMAGE -c 'echo hi'`,
  "docker inspect cf-full",
  `docker create --name cf-host -m 64m --memory-reservation 32m --memory-swap 128m --memory-swappiness 7 --cpus 0.5 -c 512 \
--cpuset-cpus 0 --cpuset-mems 0 --pids-limit 77 --blkio-weight 300 --oom-score-adj 100 --ulimit nofile=10:20 --shm-size 8m \
--cap-add NET_ADMIN --cap-drop chown --security-opt no-new-privileges --security-opt seccomp=unconfined --group-add 7 \
--device /dev/zero:/dev/nothing:r --device-cgroup-rule 'c 1:* r' --sysctl net.ipv4.ip_forward=0 --read-only --init --privileged=false \
--device-read-bps /dev/zero:1mb --device-write-iops /dev/zero:100 --restart on-failure:3 --log-opt max-size=1m --log-opt max-file=2 \
--runtime runc --cgroup-parent /cf --annotation note=this $IMAGE true`,
  "docker inspect cf-host",
  `docker create --name cf-mounts -v /usr:/usr-ro:ro -v cf-data:/data -v /anonymous --tmpfs /t:size=1m \
--mount type=bind,source=/etc,target=/etc-bound,readonly,bind-propagation=rslave --mount type=tmpfs,target=/t2,tmpfs-size=2m,tmpfs-mode=700 \
--mount type=volume,source=cf-data,target=/again,volume-nocopy --mount type=volume,target=/fresh $IMAGE`,
  "docker inspect -f '{{range .HostConfig.Binds}}{{println .}}{{end}}{{json .HostConfig.Tmpfs}}' cf-mounts | sort",
  "docker inspect -f '{{json .HostConfig.Mounts}}' cf-mounts",
  "docker inspect -f '{{range .Mounts}}{{.Type}} {{.Destination}} {{.Mode}} {{.RW}} {{.Propagation}}{{println}}{{end}}' cf-mounts | sort",
  "docker create --name cf-net1 --network cf-net --ip 10.82.1.10 --network-alias also --mac-address 92:d0:c6:0a:29:33 --dns 192.0.2.53 --dns-search example.org --dns-option ndots:2 --add-host x:192.0.2.9 $IMAGE",
  "docker inspect -f '{{json .NetworkSettings.Networks}}' cf-net1",
  "docker inspect -f '{{json .HostConfig.Dns}} {{json .HostConfig.DnsSearch}} {{json .HostConfig.DnsOptions}} {{json .HostConfig.ExtraHosts}} {{.HostConfig.NetworkMode}}' cf-net1",
  "docker create --name cf-modes --pid host --ipc shareable --uts host --cgroupns host --userns host --network host $IMAGE",
  "docker inspect -f '{{with .HostConfig}}{{.PidMode}} {{.IpcMode}} {{.UTSMode}} {{.CgroupnsMode}} {{.UsernsMode}} {{.NetworkMode}}{{end}}' cf-modes",
  "printf 'file=label\\n# no\\nempty\\n' >labels; docker create --name cf-files --label-file labels -l file=flag $IMAGE",
  "docker inspect -f '{{json .Config.Labels}}' cf-files",
  "docker create --name cf-lender -v /usr:/usr-ro:ro -v /anonymous $IMAGE",
  "docker create --name cf-from --volumes-from cf-lender:ro $IMAGE",
  "docker inspect -f '{{json .HostConfig.VolumesFrom}} {{len .Mounts}}' cf-from",
  "docker create --name cf-linked --link cf-plain:alias $IMAGE",
  "docker inspect -f '{{json .HostConfig.Links}}' cf-linked",
  "docker create --name cf-weights -m 64m --memory-swap -1 --oom-kill-disable --cpu-period 50000 --cpu-quota 25000 --pids-limit -1 --no-healthcheck --log-driver none -P $IMAGE",
  "docker inspect -f '{{with .HostConfig}}{{.Memory}} {{.MemorySwap}} {{.OomKillDisable}} {{.CpuPeriod}} {{.CpuQuota}} {{.PidsLimit}} {{.PublishAllPorts}} {{.LogConfig.Type}}{{end}} {{json .Config.Healthcheck}}' cf-weights",
  "docker create --name cf-rm --rm --privileged --security-opt label=disable --dns-opt ndots:1 $IMAGE",
  "docker inspect -f '{{with .HostConfig}}{{.AutoRemove}} {{.Privileged}} {{json .SecurityOpt}} {{json .MaskedPaths}} {{json .ReadonlyPaths}}{{end}}' cf-rm",
  "docker inspect -s -f '{{.SizeRw}} {{gt .SizeRootFs 1000}}' cf-plain",
  "docker inspect --type container -f '{{.Name}} {{.Path}} {{.Args}} {{.State.Status}} {{.RestartCount}} {{.Driver}} {{.Platform}}' cf-plain cf-full",
  "docker inspect --type image cf-plain",
  "docker inspect --type nonsense cf-plain",
  "docker inspect cf-nobody",
  "docker inspect -f '{{.NoSuch}}' cf-plain",
  "docker inspect -f '{{' cf-plain",
  "docker container inspect cf-nobody cf-plain -f '{{.Name}}'",
  "docker inspect -f '{{.Name}}' cf-net cf-data cf-plain",
  "docker rm -v cf-lender cf-plain cf-full cf-host cf-mounts cf-net1 cf-modes cf-files cf-from cf-weights cf-rm",
  "docker rm -v cf-linked",
  "docker network rm cf-net",
  "docker volume rm cf-data",
];
