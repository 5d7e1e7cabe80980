// Command controlplane is every server of a local Kubernetes cluster that Kubernetes itself publishes as Go
// packages, in one binary: the packages the parts share are compiled and linked once. kubectl is built by itself: each of
// its many calls would set up all the others first.
// The first argument (or the name it is called by) chooses the part.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	// Only Kubernetes' own main packages embed the zone database: without it a CronJob's time zone is refused on
	// a machine that has no /usr/share/zoneinfo.
	_ "time/tzdata"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// commands are the parts that are cobra commands; etcd reads os.Args itself.
var commands = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllermanager.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	part := filepath.Base(os.Args[0])
	if _, known := commands[part]; !known && part != "etcd" && len(os.Args) > 1 {
		part = os.Args[1]
		os.Args = os.Args[1:]
	}
	if part == "etcd" {
		etcdmain.Main(os.Args)
		return
	}
	command, known := commands[part]
	if !known {
		fmt.Fprintf(os.Stderr, "unknown part %q: choose etcd, kube-apiserver, kube-controller-manager, kube-scheduler or kubelet\n", part)
		os.Exit(2)
	}
	os.Args[0] = part
	os.Exit(cli.Run(command()))
}
