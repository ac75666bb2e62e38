package platform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const forwardingFile = "/proc/sys/net/ipv4/ip_forward"

// setUpNetwork makes the bridge of the pods, with the node's address on it,
// and what packets need to go where they should.
func setUpNetwork(ctx context.Context, l layout) error {
	bridge, err := createBridge()
	if err != nil {
		return err
	}
	if err := routeServices(bridge); err != nil {
		return err
	}
	if err := filterBridged(ctx); err != nil {
		return err
	}
	if err := forward(l); err != nil {
		return err
	}
	return masquerade(ctx)
}

// createBridge makes the bridge before the first pod does, so that the node's
// address exists from the start.
func createBridge() (netlink.Link, error) {
	_, err := netlink.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		attributes := netlink.NewLinkAttrs()
		attributes.Name = bridgeName
		err = netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attributes})
	}
	if err != nil {
		return nil, fmt.Errorf("create bridge %s: %w", bridgeName, err)
	}
	bridge, err := netlink.LinkByName(bridgeName)
	if err != nil {
		return nil, fmt.Errorf("find bridge %s: %w", bridgeName, err)
	}
	_, pods, err := net.ParseCIDR(podRange)
	if err != nil {
		return nil, err
	}
	address := &netlink.Addr{IPNet: &net.IPNet{IP: net.ParseIP(nodeAddress), Mask: pods.Mask}}
	if err := netlink.AddrReplace(bridge, address); err != nil {
		return nil, fmt.Errorf("give bridge %s the address %s: %w", bridgeName, nodeAddress, err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return nil, fmt.Errorf("bring up bridge %s: %w", bridgeName, err)
	}
	return bridge, nil
}

// routeServices keeps a packet to a Service that kube-proxy did not translate
// from leaving the machine by the default route. The route goes with the
// bridge.
func routeServices(bridge netlink.Link) error {
	_, services, err := net.ParseCIDR(serviceRange)
	if err != nil {
		return err
	}
	route := &netlink.Route{LinkIndex: bridge.Attrs().Index, Dst: services, Src: net.ParseIP(nodeAddress), Scope: netlink.SCOPE_LINK}
	if err := netlink.RouteReplace(route); err != nil {
		return fmt.Errorf("route %s to bridge %s: %w", serviceRange, bridgeName, err)
	}
	return nil
}

// filterBridged makes packets between two pods, which the bridge passes on by
// itself, go through the translation of Services: a pod that asked a Service
// must get the answer from the Service's address.
func filterBridged(ctx context.Context) error {
	file := filepath.Join("/sys/class/net", bridgeName, "bridge", "nf_call_iptables")
	if !exists(file) || !exists("/proc/sys/net/bridge") {
		if out, err := exec.CommandContext(ctx, "modprobe", "br_netfilter").CombinedOutput(); err != nil {
			return fmt.Errorf("load the kernel module br_netfilter: %w: %s", err, bytes.TrimSpace(out))
		}
	}
	if err := os.WriteFile(file, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("filter packets on bridge %s: %w", bridgeName, err)
	}
	return nil
}

// forward lets the machine forward packets, and notes if it did not before.
func forward(l layout) error {
	before, err := os.ReadFile(forwardingFile)
	if err != nil {
		return fmt.Errorf("read the forwarding of packets: %w", err)
	}
	if strings.TrimSpace(string(before)) == "1" {
		return nil
	}
	if err := writeFile(l.in("forwarding-was"), before, 0o644); err != nil {
		return fmt.Errorf("note the forwarding of packets: %w", err)
	}
	if err := os.WriteFile(forwardingFile, []byte("1"), 0o644); err != nil {
		return fmt.Errorf("turn on the forwarding of packets: %w", err)
	}
	return nil
}

// masquerade hides pods behind the machine's address when they talk to the
// outside. A table of the lab's own is removed in one piece; the bridge plugin's
// ipMasq leaves a chain per pod in a table that it shares with others.
func masquerade(ctx context.Context) error {
	return nft(ctx, fmt.Sprintf(`
table ip %[1]s
delete table ip %[1]s
table ip %[1]s {
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip saddr %[2]s ip daddr != { %[2]s, %[3]s } masquerade
	}
}
`, nftTable, podRange, serviceRange))
}

// nft runs commands in one transaction.
func nft(ctx context.Context, commands string) error {
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("change nft tables: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// tearDownNetwork removes the bridge, with it its routes, the nft tables of
// the lab and of its kube-proxy, and restores the forwarding of packets.
func tearDownNetwork(ctx context.Context, l layout) error {
	return errors.Join(removeBridge(), removeTables(ctx), restoreForwarding(l))
}

func removeBridge() error {
	bridge, err := netlink.LinkByName(bridgeName)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil
	}
	if err == nil {
		err = removePorts(bridge)
	}
	if err == nil {
		err = netlink.LinkDel(bridge)
	}
	if err != nil {
		return fmt.Errorf("remove bridge %s: %w", bridgeName, err)
	}
	return nil
}

// removePorts removes the host's ends of the pods' links. The kernel removes
// them with their network namespace, but some time later.
func removePorts(bridge netlink.Link) error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, link := range links {
		if link.Attrs().MasterIndex != bridge.Attrs().Index {
			continue
		}
		if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("remove %s: %w", link.Attrs().Name, err)
		}
	}
	return nil
}

func removeTables(ctx context.Context) error {
	if _, err := exec.LookPath("nft"); err != nil {
		return nil // so there never was a table
	}
	var commands strings.Builder
	for _, table := range []string{"ip " + nftTable, "ip kube-proxy", "ip6 kube-proxy"} {
		// To add a table that exists changes nothing, to delete one that does
		// not fails.
		fmt.Fprintf(&commands, "add table %s\ndelete table %s\n", table, table)
	}
	return nft(ctx, commands.String())
}

func restoreForwarding(l layout) error {
	before, err := os.ReadFile(l.in("forwarding-was"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = os.WriteFile(forwardingFile, bytes.TrimSpace(before), 0o644)
	}
	if err != nil {
		return fmt.Errorf("restore the forwarding of packets: %w", err)
	}
	return nil
}
