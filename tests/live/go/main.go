// Drives the unmodified Go client: orders come as lines of JSON on stdin, what happens goes out the same way.
//
// Usage: sdk URL TOKEN OPTIONS. OPTIONS is JSON: `protobuf`. Who needs a token asks for it with `token_wanted`.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

type facts map[string]any

var (
	out     sync.Mutex
	mu      sync.Mutex
	asked   int
	waiting = map[int]chan string{}
	deltas  = map[string]int{}
	client  *centrifuge.Client
)

func tell(event string, its facts) {
	line := facts{"event": event}
	for name, fact := range its {
		line[name] = fact
	}
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	out.Lock()
	defer out.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// A payload is bytes, of JSON by convention.
func decode(data []byte) any {
	var value any
	if len(data) > 0 && json.Unmarshal(data, &value) != nil {
		return string(data)
	}
	return value
}

func about(info *centrifuge.ClientInfo) any {
	if info == nil {
		return nil
	}
	return facts{"user": info.User, "client": info.Client, "conn_info": decode(info.ConnInfo), "chan_info": decode(info.ChanInfo)}
}

func said(pub centrifuge.Publication) facts {
	return facts{"data": decode(pub.Data), "offset": pub.Offset, "tags": pub.Tags, "info": about(pub.Info)}
}

func of(channel string, server bool, its facts) facts {
	its["channel"] = channel
	if server {
		its["server"] = true
	}
	return its
}

func codeOf(err error) uint32 {
	var answered *centrifuge.Error
	if errors.As(err, &answered) {
		return answered.Code
	}
	return 0
}

func tokenFor(channel string) (string, error) {
	mu.Lock()
	asked++
	n, given := asked, make(chan string, 1)
	waiting[n] = given
	mu.Unlock()
	its := facts{"n": n}
	if channel != "" {
		its["channel"] = channel
	}
	tell("token_wanted", its)
	return <-given, nil
}

// The client tells nobody whether a publication came as a patch, but for its trace.
func countDeltas(entry centrifuge.LogEntry) {
	var push struct {
		Channel string
		Pub     struct{ Delta bool }
	}
	if json.Unmarshal([]byte(entry.Fields["push"]), &push) == nil && push.Pub.Delta {
		mu.Lock()
		deltas[push.Channel]++
		mu.Unlock()
	}
}

func connect(url, token string, protobuf bool) *centrifuge.Client {
	config := centrifuge.Config{
		Token:             token,
		GetToken:          func(centrifuge.ConnectionTokenEvent) (string, error) { return tokenFor("") },
		MinReconnectDelay: 50 * time.Millisecond,
		MaxReconnectDelay: 500 * time.Millisecond,
		ReadTimeout:       time.Minute,
		WriteTimeout:      time.Minute,
		HandshakeTimeout:  time.Minute,
		LogLevel:          centrifuge.LogLevelTrace,
		LogHandler:        countDeltas,
	}
	if protobuf {
		return centrifuge.NewProtobufClient(url, config)
	}
	return centrifuge.NewJsonClient(url, config)
}

func listen() {
	client.OnConnecting(func(its centrifuge.ConnectingEvent) { tell("connecting", facts{"code": its.Code}) })
	client.OnConnected(func(its centrifuge.ConnectedEvent) { tell("connected", facts{"client": its.ClientID}) })
	client.OnDisconnected(func(its centrifuge.DisconnectedEvent) {
		tell("disconnected", facts{"code": its.Code, "reason": its.Reason})
	})
	client.OnError(func(its centrifuge.ErrorEvent) {
		// a transport that closes while the hub is away is told as `connecting`
		if code := codeOf(its.Error); code >= 100 {
			tell("error", facts{"code": code})
		}
	})
	client.OnSubscribed(func(its centrifuge.ServerSubscribedEvent) {
		tell("subscribed", of(its.Channel, true, standing(its.Recoverable, its.Positioned, its.WasRecovering, its.Recovered, its.Data)))
	})
	client.OnUnsubscribed(func(its centrifuge.ServerUnsubscribedEvent) { tell("unsubscribed", of(its.Channel, true, facts{})) })
	client.OnPublication(func(its centrifuge.ServerPublicationEvent) {
		tell("publication", of(its.Channel, true, said(its.Publication)))
	})
	client.OnJoin(func(its centrifuge.ServerJoinEvent) {
		tell("join", of(its.Channel, true, facts{"info": about(&its.ClientInfo)}))
	})
	client.OnLeave(func(its centrifuge.ServerLeaveEvent) {
		tell("leave", of(its.Channel, true, facts{"info": about(&its.ClientInfo)}))
	})
}

func standing(recoverable, positioned, wasRecovering, recovered bool, data []byte) facts {
	return facts{"recoverable": recoverable, "positioned": positioned, "wasRecovering": wasRecovering, "recovered": recovered, "data": decode(data)}
}

type order struct {
	Subscribe   string
	Unsubscribe string
	Disconnect  bool
	Connect     bool
	Delta       string
	Filter      *filter
	N           int
	// a channel's subscription asks for a token where this is true, and is given it where it is a text
	Token   any
	Ask     string
	Channel string
	Data    json.RawMessage
	Limit   int32
	Reverse bool
	Since   *centrifuge.StreamPosition
}

// A filter as the protocol writes it.
type filter struct {
	Op    string
	Key   string
	Cmp   string
	Val   string
	Vals  []string
	Nodes []*filter
}

func (it *filter) node() *centrifuge.FilterNode {
	var nodes []*centrifuge.FilterNode
	for _, node := range it.Nodes {
		nodes = append(nodes, node.node())
	}
	switch it.Op + it.Cmp {
	case "and":
		return centrifuge.FilterAnd(nodes...)
	case "not":
		return centrifuge.FilterNot(nodes[0])
	case "in":
		return centrifuge.FilterIn(it.Key, it.Vals...)
	case "gt":
		return centrifuge.FilterGt(it.Key, it.Val)
	}
	panic("no session asks for " + it.Op + it.Cmp)
}

func subscribe(its order) {
	channel := its.Subscribe
	config := centrifuge.SubscriptionConfig{
		MinResubscribeDelay: 50 * time.Millisecond,
		MaxResubscribeDelay: 500 * time.Millisecond,
		Delta:               centrifuge.DeltaType(its.Delta),
	}
	if its.Filter != nil {
		config.TagsFilter = its.Filter.node()
	}
	if its.Token == true {
		config.GetToken = func(centrifuge.SubscriptionTokenEvent) (string, error) { return tokenFor(channel) }
	}
	sub, err := client.NewSubscription(channel, config)
	if err != nil {
		panic(err)
	}
	sub.OnSubscribing(func(its centrifuge.SubscribingEvent) {
		tell("subscribing", of(channel, false, facts{"code": its.Code}))
	})
	sub.OnSubscribed(func(its centrifuge.SubscribedEvent) {
		tell("subscribed", of(channel, false, standing(its.Recoverable, its.Positioned, its.WasRecovering, its.Recovered, its.Data)))
	})
	sub.OnUnsubscribed(func(its centrifuge.UnsubscribedEvent) {
		tell("unsubscribed", of(channel, false, facts{"code": its.Code}))
	})
	sub.OnError(func(its centrifuge.SubscriptionErrorEvent) {
		tell("subscription_error", of(channel, false, facts{"code": codeOf(its.Error)}))
	})
	sub.OnPublication(func(its centrifuge.PublicationEvent) { tell("publication", of(channel, false, said(its.Publication))) })
	sub.OnJoin(func(its centrifuge.JoinEvent) {
		tell("join", of(channel, false, facts{"info": about(&its.ClientInfo)}))
	})
	sub.OnLeave(func(its centrifuge.LeaveEvent) {
		tell("leave", of(channel, false, facts{"info": about(&its.ClientInfo)}))
	})
	// it asks for the token itself, and waits for it
	go sub.Subscribe()
}

func resultOf(its order) (any, error) {
	ctx := context.Background()
	switch its.Ask {
	case "publish":
		_, err := client.Publish(ctx, its.Channel, its.Data)
		return facts{}, err
	case "presence":
		there, err := client.Presence(ctx, its.Channel)
		clients := facts{}
		for id, info := range there.Clients {
			clients[id] = about(&info)
		}
		return clients, err
	case "presence_stats":
		there, err := client.PresenceStats(ctx, its.Channel)
		return facts{"clients": there.NumClients, "users": there.NumUsers}, err
	case "history":
		kept, err := client.History(ctx, its.Channel,
			centrifuge.WithHistoryLimit(its.Limit), centrifuge.WithHistorySince(its.Since), centrifuge.WithHistoryReverse(its.Reverse))
		publications := []facts{}
		for _, pub := range kept.Publications {
			publications = append(publications, said(pub))
		}
		return facts{"publications": publications, "offset": kept.Offset, "epoch": kept.Epoch}, err
	case "deltas":
		mu.Lock()
		defer mu.Unlock()
		return deltas[its.Channel], nil
	}
	panic("there is nothing called " + its.Ask)
}

func answer(its order) {
	result, err := resultOf(its)
	if err == nil {
		tell("answer", facts{"result": result})
	} else if code := codeOf(err); code > 0 {
		tell("answer", facts{"error": code})
	} else {
		tell("answer", facts{"error": err.Error()})
	}
}

func obey(its order) {
	if its.Subscribe != "" {
		subscribe(its)
	}
	if its.Unsubscribe != "" {
		sub, _ := client.GetSubscription(its.Unsubscribe)
		sub.Unsubscribe()
	}
	if its.Disconnect {
		client.Disconnect()
	}
	if its.Connect {
		client.Connect()
	}
	if token, given := its.Token.(string); given && its.N > 0 {
		mu.Lock()
		waiting[its.N] <- token
		mu.Unlock()
	}
	if its.Ask != "" {
		go answer(its)
	}
}

func main() {
	var options struct{ Protobuf bool }
	if err := json.Unmarshal([]byte(os.Args[3]), &options); err != nil {
		panic(err)
	}
	client = connect(os.Args[1], os.Args[2], options.Protobuf)
	listen()
	client.Connect()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var its order
		if err := json.Unmarshal(lines.Bytes(), &its); err != nil {
			panic(err)
		}
		obey(its)
	}
}
