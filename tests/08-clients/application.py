"""Strata as an application in Python sees it, through redis-py.

    python3 application.py PORT PORT_WITH_PASSWORD

The second server asks for the password "secret"."""
import sys
import threading
import unittest

import redis

PORT = int(sys.argv[1])
PORT_WITH_PASSWORD = int(sys.argv[2])


def connect(**options):
    return redis.Redis(**{"port": PORT, "socket_timeout": 60, **options})


class Application(unittest.TestCase):
    def setUp(self):
        self.r = connect(decode_responses=True)
        self.r.flushall()

    def tearDown(self):
        self.r.close()

    def test_values(self):
        r = self.r
        self.assertTrue(r.ping())
        self.assertIs(r.set("k", "v"), True)
        self.assertEqual(r.get("k"), "v")
        self.assertIsNone(r.get("nothing"))
        self.assertIsNone(r.set("k", "w", nx=True))
        self.assertIs(r.set("k", "w", xx=True), True)
        self.assertIsNone(r.set("nothing", "w", xx=True))
        self.assertEqual(r.set("k", "x", get=True), "w")
        self.assertEqual(r.getset("k", 7), "x")
        self.assertEqual(r.incr("k", 35), 42)
        self.assertEqual(r.decr("k"), 41)
        self.assertEqual(r.incrbyfloat("k", 0.5), 41.5)
        self.assertEqual(r.append("k", "00"), 6)
        self.assertEqual(r.strlen("k"), 6)
        self.assertEqual(r.getrange("k", 0, 1), "41")
        self.assertEqual(r.setrange("k", 2, ","), 6)
        self.assertEqual(r.getdel("k"), "41,500")
        self.assertIs(r.setnx("k", "v"), True)
        self.assertEqual(r["k"], "v")
        r["other"] = "ü€"
        self.assertEqual(r["other"], "ü€")
        self.assertIn("other", r)
        del r["other"]
        with self.assertRaises(KeyError):
            r["other"]

    def test_many_at_once(self):
        r = self.r
        self.assertIs(r.mset({"a": 1, "b": 2, "c": 3}), True)
        self.assertEqual(r.mget("a", "nothing", "c"), ["1", None, "3"])
        self.assertIs(r.msetnx({"c": 4, "d": 4}), False)
        self.assertEqual(r.exists("a", "b", "nothing"), 2)
        self.assertEqual(r.delete("a", "b", "nothing"), 2)
        self.assertEqual(r.unlink("c"), 1)
        self.assertEqual(r.dbsize(), 0)
        self.assertIsNone(r.randomkey())

    def test_ends(self):
        r = self.r
        self.assertIs(r.set("k", "v", ex=1000), True)
        self.assertTrue(990 < r.ttl("k") <= 1000)
        self.assertIs(r.set("k", "v", px=1000000), True)
        self.assertTrue(990000 < r.pttl("k") <= 1000000)
        self.assertIs(r.set("k", "w", keepttl=True), True)
        self.assertTrue(r.persist("k"))
        self.assertEqual(r.ttl("k"), -1)
        self.assertEqual(r.ttl("nothing"), -2)
        self.assertTrue(r.expire("k", 1000))
        self.assertTrue(r.expireat("k", 4102444800))
        self.assertEqual(r.execute_command("EXPIRETIME", "k"), 4102444800)
        self.assertEqual(r.getex("k", persist=True), "w")
        self.assertIs(r.setex("k", 1000, "v"), True)
        self.assertIs(r.psetex("k", 1, "v"), True)
        while r.exists("k"):
            pass
        self.assertIsNone(r.get("k"))

    def test_keys(self):
        r = self.r
        names = {f"key:{i:04}" for i in range(2500)}
        r.mset({name: name for name in names})
        self.assertEqual(sorted(r.scan_iter()), sorted(names))
        self.assertEqual(len(list(r.scan_iter(match="key:1*", count=10))), 1000)
        self.assertEqual(list(r.scan_iter(_type="LIST")), [])
        self.assertEqual(len(r.keys("*7")), 250)
        self.assertEqual(r.type("key:0001"), "string")
        self.assertTrue(r.rename("key:0001", "new"))
        self.assertFalse(r.renamenx("new", "key:0002"))
        self.assertTrue(r.copy("new", "copied"))
        self.assertEqual(r.touch("new", "copied"), 2)
        self.assertEqual(r.object("encoding", "new"), "embstr")
        self.assertGreater(r.memory_usage("new"), 8)
        cut = r.execute_command("RSCAN", "key:0010", "key:0012")
        self.assertEqual(cut, ["key:0010"] * 2 + ["key:0011"] * 2)

    def test_bytes(self):
        with connect() as r:
            key, value = bytes(range(256)), bytes(range(255, -1, -1)) * 4096
            r.set(key, value)
            self.assertEqual(r.get(key), value)
            self.assertEqual(r.get(memoryview(key)), value)
            self.assertEqual(r.keys(), [key])
            r.set(b"", b"")
            self.assertEqual(r.get(b""), b"")

    def test_pipeline(self):
        with self.r.pipeline(transaction=False) as p:
            p.set("k", 1).incr("k").get("k").mget("k", "nothing")
            self.assertEqual(p.execute(), [True, 2, "2", ["2", None]])
            p.get("k").execute_command("INCR", "k", "more").incr("k")
            got = p.execute(raise_on_error=False)
        self.assertEqual((got[0], got[2]), ("2", 3))
        self.assertIsInstance(got[1], redis.ResponseError)

    def test_long_pipeline(self):
        """All of it is sent before the first reply is read."""
        self.r.set("k" * 100, "v" * 300)
        p = self.r.pipeline(transaction=False)
        for _ in range(100000):
            p.get("k" * 100)
        self.assertEqual(set(p.execute()), {"v" * 300})

    def test_server(self):
        r = self.r
        info = r.info()
        self.assertEqual(info["redis_mode"], "standalone")
        self.assertEqual(info["role"], "master")
        self.assertEqual(info["tcp_port"], PORT)
        self.assertTrue(info["redis_version"].startswith("7."))
        self.assertIn("tables", info["level0"])
        self.assertEqual(r.info("commandstats")["cmdstat_flushall"]["failed_calls"], 0)
        r.set("k", "v")
        self.assertEqual(r.info("keyspace")["db0"]["keys"], 1)
        self.assertEqual(r.config_get("max*s")["maxclients"], "10000")
        self.assertTrue(r.config_set("slowlog-log-slower-than", 0))
        r.get("k")
        slow = r.slowlog_get(1)[0]
        self.assertEqual(slow["command"], b"GET k")
        self.assertTrue(r.config_set("slowlog-log-slower-than", 10000))
        self.assertTrue(r.config_resetstat())
        self.assertTrue(r.slowlog_reset())
        self.assertEqual(r.wait(0, 0), 0)
        seconds, micros = r.time()
        self.assertGreater(seconds, 1700000000)
        self.assertTrue(r.bgsave())
        self.assertGreater(r.lastsave().year, 2000)
        self.assertEqual(r.command_count(), len(r.command()))
        self.assertEqual(r.command()["mset"]["step_count"], 2)

    def test_clients(self):
        r = connect(decode_responses=True, client_name="tester", single_connection_client=True)
        mine = r.client_info()
        self.assertEqual(mine["name"], "tester")
        self.assertEqual(mine["id"], r.client_id())
        self.assertEqual(mine["laddr"], f"127.0.0.1:{PORT}")
        other = connect(single_connection_client=True)
        theirs = other.client_info()
        listed = {client["id"] for client in r.client_list()}
        self.assertLessEqual({str(mine["id"]), str(theirs["id"])}, listed)
        self.assertTrue(r.client_kill_filter(_id=str(theirs["id"])))
        with self.assertRaises(redis.ConnectionError):
            other.connection.send_command("PING")
            other.connection.read_response()
        other.close()
        r.close()

    def test_monitor(self):
        with connect().monitor() as monitor:
            self.r.set("watched", "v")
            while "watched" not in monitor.next_command()["command"]:
                pass

    def test_errors(self):
        r = self.r
        with self.assertRaisesRegex(redis.ResponseError, "unknown command 'LPUSH'"):
            r.lpush("list", 1)
        with self.assertRaisesRegex(redis.ResponseError, "wrong number of arguments"):
            r.execute_command("GET")
        r.set("k", "word")
        with self.assertRaisesRegex(redis.ResponseError, "not an integer"):
            r.incr("k")
        with self.assertRaisesRegex(redis.ResponseError, "no such key"):
            r.rename("nothing", "new")
        with self.assertRaisesRegex(redis.ResponseError, "DB index is out of range"):
            connect(db=7).ping()
        with self.assertRaisesRegex(redis.ResponseError, "unknown command 'EXEC'"):
            r.pipeline(transaction=True).get("k").execute()
        self.assertEqual(r.get("k"), "word")

    def test_password(self):
        there = {"port": PORT_WITH_PASSWORD}
        with self.assertRaises(redis.AuthenticationError) as caught:
            connect(**there).ping()
        self.assertIn("Authentication required", str(caught.exception))
        for wrong in {"password": "wrong"}, {"username": "nobody", "password": "secret"}:
            with self.assertRaisesRegex(redis.ResponseError, "^WRONGPASS invalid"):
                connect(**there, **wrong).ping()
        self.assertTrue(connect(**there, password="secret").ping())
        self.assertTrue(connect(**there, username="default", password="secret").ping())
        url = f"redis://:secret@127.0.0.1:{PORT_WITH_PASSWORD}/0"
        self.assertTrue(redis.Redis.from_url(url).ping())

    def test_threads(self):
        """A pool of fewer connections than threads; none loses a count."""
        pool = redis.BlockingConnectionPool(port=PORT, max_connections=4, timeout=60)
        failures = []

        def work(number):
            try:
                r = redis.Redis(connection_pool=pool)
                for i in range(100):
                    r.incr("shared")
                    r.set(f"own:{number}", i)
                    if int(r.get(f"own:{number}")) != i:
                        failures.append((number, i))
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pool.disconnect()
        self.assertEqual(failures, [])
        self.assertEqual(self.r.get("shared"), "800")

    def test_lock(self):
        """The library's own releases it by a script, which Strata does not have."""
        self.assertTrue(self.r.set("lock", "mine", nx=True, px=100000))
        self.assertFalse(self.r.set("lock", "theirs", nx=True, px=100000))
        self.assertEqual(self.r.getdel("lock"), "mine")
        self.assertTrue(self.r.set("lock", "theirs", nx=True, px=100000))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
