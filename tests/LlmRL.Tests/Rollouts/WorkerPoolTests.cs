using System.Collections.Concurrent;
using LlmRL.Numerics;

namespace LlmRL.Tests.Rollouts;

public sealed class WorkerPoolTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void EveryPhaseSeesTheOneBefore(int threads)
    {
        using var pool = new WorkerPool(threads, 40);
        for (var job = 0; job < 60; job++)
        {
            // Phase p writes neighbours' sums of phase p − 1, so a missing barrier shows.
            var body = new Doubling(40, 64);
            pool.Run(body);
            Assert.All(body.Values[^1], value => Assert.Equal(Math.Pow(2, 39), value));
            if (job % 20 == 0)
                Thread.Sleep(5); // lets the workers park
        }
    }

    /// <summary>More threads than cores, and pauses in which some of them park: one that is slow to wake must not lose its call to another that parks meanwhile.</summary>
    [Fact]
    public async Task NoThreadIsForgottenWhereSomeParkWhileOthersWake()
    {
        var pool = new WorkerPool(8, 4);
        var jobs = Task.Run(() =>
        {
            for (var job = 0; job < 300; job++)
            {
                var body = new Doubling(4, 16);
                pool.Run(body);
                Assert.All(body.Values[^1], value => Assert.Equal(8, value));
                Thread.Sleep(job % 6);
            }
        });
        // Where a thread is forgotten, this waits for ever.
        await jobs.WaitAsync(TimeSpan.FromSeconds(60));
        pool.Dispose();
    }

    [Fact]
    public void AFailureReachesTheCallerAndThePoolStaysUsable()
    {
        using var pool = new WorkerPool(3, 4);
        for (var i = 0; i < 20; i++)
        {
            Assert.IsType<TimeZoneNotFoundException>(Assert.Throws<InvalidOperationException>(() => pool.Run(new Failing())).InnerException);
            var body = new Doubling(4, 8);
            pool.Run(body);
            Assert.All(body.Values[^1], value => Assert.Equal(8, value));
        }
    }

    [Theory]
    [InlineData(1, 10, 3)]
    [InlineData(2, 12, 1)]
    [InlineData(3, 100, 7)]
    [InlineData(4, 4, 1)]
    public void AThreadBeginsWithItsOwnShare(int threads, int count, int chunk)
    {
        using var pool = new WorkerPool(threads, 5);
        var body = new Sharing(threads, count, chunk);
        pool.Run(body);
        var chunks = (count + chunk - 1) / chunk;
        for (var worker = 0; worker < threads; worker++)
            Assert.All(body.Firsts[worker], first => Assert.Equal(chunks * worker / threads * chunk, first));
        Assert.All(body.Times, times => Assert.Equal(5, times));
    }

    [Fact]
    public void OthersDoTheRestOfAShareWhoseThreadIsHeldUp()
    {
        using var pool = new WorkerPool(3, 1);
        var body = new HeldUp(24);
        pool.Run(body);
        Assert.True(body.WasHelped);
        Assert.All(body.Times, times => Assert.Equal(1, times));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void TasksInOrderAreClaimedInOrder(int threads)
    {
        using var pool = new WorkerPool(threads, 2);
        var body = new Ordered(40);
        pool.Run(body);
        Assert.Equal(Enumerable.Range(0, 40).Concat(Enumerable.Range(0, 40)), body.Claims.Order().Select(claim => claim % 1000));
        Assert.True(body.IsAscending);
    }

    [Fact]
    public void ShareWithoutChunksIsNoObstacle()
    {
        using var pool = new WorkerPool(5, 3);
        var body = new Doubling(3, 2);
        pool.Run(body);
        Assert.All(body.Values[^1], value => Assert.Equal(4, value));
    }

    // Worker 0 stays in its first chunk until the others have done everything else.
    private sealed class HeldUp(int count) : IParallelBody
    {
        private int done;

        public int[] Times { get; } = new int[count];

        public bool WasHelped { get; private set; }

        public void Execute(int worker, Phases phases)
        {
            while (phases.Next(count, 1, out var from, out _))
            {
                Interlocked.Increment(ref Times[from]);
                if (worker == 0 && !WasHelped)
                    WasHelped = SpinWait.SpinUntil(() => Volatile.Read(ref done) == count - 1, TimeSpan.FromSeconds(30));
                Interlocked.Increment(ref done);
            }

            phases.End();
        }
    }

    private sealed class Ordered(int count) : IParallelBody
    {
        public ConcurrentBag<int> Claims { get; } = [];

        public bool IsAscending { get; private set; } = true;

        public void Execute(int worker, Phases phases)
        {
            for (var phase = 0; phase < 2; phase++)
            {
                var last = -1;
                while (phases.NextInOrder(count, out var task))
                {
                    Claims.Add(1000 * phase + task);
                    if (task < last)
                        IsAscending = false;
                    last = task;
                }

                phases.End();
            }
        }
    }

    private sealed class Sharing(int threads, int count, int chunk) : IParallelBody
    {
        private readonly Barrier everyone = new(threads);

        public List<int>[] Firsts { get; } = [.. Enumerable.Range(0, threads).Select(_ => new List<int>())];

        public int[] Times { get; } = new int[count];

        public void Execute(int worker, Phases phases)
        {
            for (var phase = 0; phase < 5; phase++)
            {
                var isFirst = true;
                while (phases.Next(count, chunk, out var from, out var to))
                {
                    for (var i = from; i < to; i++)
                        Interlocked.Increment(ref Times[i]);
                    if (!isFirst)
                        continue;
                    Firsts[worker].Add(from);
                    isFirst = false;
                    // Nobody helps before all have begun.
                    everyone.SignalAndWait();
                }

                phases.End();
            }
        }
    }

    private sealed class Doubling(int phaseCount, int width) : IParallelBody
    {
        public double[][] Values { get; } = [.. Enumerable.Range(0, phaseCount).Select(_ => new double[width])];

        public void Execute(int worker, Phases phases)
        {
            for (var p = 0; p < Values.Length; p++)
            {
                while (phases.Next(width, 3, out var from, out var to))
                    for (var i = from; i < to; i++)
                        Values[p][i] += p == 0 ? 1 : Values[p - 1][(i + 1) % width] + Values[p - 1][(i + width / 2) % width];
                phases.End();
            }
        }
    }

    private sealed class Failing : IParallelBody
    {
        public void Execute(int worker, Phases phases)
        {
            while (phases.Next(30, 1, out var from, out _))
                if (from == 17)
                    throw new TimeZoneNotFoundException();
            phases.End();
        }
    }
}
