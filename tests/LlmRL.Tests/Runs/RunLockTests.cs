using System.Text.Json;
using LlmRL.Runs;

namespace LlmRL.Tests.Runs;

/// <summary>Who may work in a run's folder.</summary>
public sealed class RunLockTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly FakeClock clock = new();
    private readonly List<string> notes = [];
    private readonly RunDirectory run;

    public RunLockTests() => run = RunDirectory.Create(folder["run"]);

    public void Dispose() => folder.Dispose();

    private string OwnerFile => Path.Combine(run.Root, ".lock.json");

    [Fact]
    public void The_second_is_told_who_holds_the_lock()
    {
        using (run.Lock(notes.Add, clock))
        {
            clock.Advance(90);
            var message = Assert.Throws<BadInputException>(() => run.Lock(notes.Add, clock)).Message;
            Assert.Contains($"process {Environment.ProcessId} on {Environment.MachineName}", message);
            Assert.Contains("since 2023-11-14 22:13:20 UTC", message);
            Assert.Contains("--out", message);
            clock.Advance(-200);
            Assert.DoesNotContain("-", Assert.Throws<BadInputException>(() => run.Lock(notes.Add, clock)).Message.Split("UTC")[1].Split(". Wait")[0]);
        }

        Assert.False(File.Exists(OwnerFile));
        run.Lock(notes.Add, clock).Dispose();
        Assert.Empty(notes);
    }

    [Fact]
    public void The_lock_of_a_process_that_is_gone_is_taken_over()
    {
        // No process has this number: they end at 2^22.
        Leave(99_999_999, Environment.MachineName, age: 0);
        run.Lock(notes.Add, clock).Dispose();
        Assert.Contains("process 99999999", Assert.Single(notes));
        Assert.Contains("took over", notes[0]);
    }

    [Fact]
    public void A_number_that_now_belongs_to_another_process_is_no_owner()
    {
        Leave(1, Environment.MachineName, age: 0);
        run.Lock(notes.Add, clock).Dispose();
        Assert.Single(notes);
    }

    [Theory]
    [InlineData(60, true)]
    [InlineData(3600, false)]
    public void A_lock_of_another_machine_is_stale_when_it_was_not_renewed(double age, bool holds)
    {
        Leave(1, "another-machine", age);
        if (holds)
            Assert.Contains("another-machine", Assert.Throws<BadInputException>(() => run.Lock(notes.Add, clock)).Message);
        else
            run.Lock(notes.Add, clock).Dispose();
        Assert.Equal(holds ? 0 : 1, notes.Count);
    }

    private void Leave(int pid, string host, double age)
    {
        File.WriteAllText(OwnerFile, JsonSerializer.Serialize(new { Pid = pid, Host = host, Since = clock.GetUtcNow(), Started = 1L }));
        File.SetLastWriteTimeUtc(OwnerFile, clock.GetUtcNow().UtcDateTime.AddSeconds(-age));
    }
}
