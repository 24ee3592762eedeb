# Nothing is left of what a contender had set.
ip link delete he-ipv6 2>/dev/null
ip rule delete priority 1000 2>/dev/null
ip route flush table 7
ip link set eth0 down
ip address flush dev eth0
ip route flush dev eth0
echo 0 > /proc/sys/net/ipv6/conf/all/forwarding
echo 0 > /proc/sys/net/ipv4/conf/eth0/rp_filter
echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra
