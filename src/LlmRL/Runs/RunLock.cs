using System.Diagnostics;
using System.Text.Json;

namespace LlmRL.Runs;

/// <summary>
/// One process at a time in a run's folder. <c>.lock</c> is held open and locked by the system, so that the lock ends with the process; <c>.lock.json</c> beside
/// it says who holds it. On a file system without locks, or from another machine, the second file decides: its owner renews it every minute.
/// </summary>
internal sealed class RunLock : IDisposable
{
    private const string LockName = ".lock", OwnerName = ".lock.json";

    private static readonly TimeSpan Renewal = TimeSpan.FromMinutes(1), StaleAfter = TimeSpan.FromMinutes(10);

    private readonly string ownerPath;
    private readonly FileStream file;
    private readonly ITimer renewal;

    private RunLock(string folder, FileStream file, TimeProvider time)
    {
        (this.file, ownerPath) = (file, Path.Combine(folder, OwnerName));
        AtomicFile.WriteAllText(ownerPath, JsonSerializer.Serialize(Owner.Here(time), JsonLayout.OneLine) + "\n");
        renewal = time.CreateTimer(_ => Renew(time), null, Renewal, Renewal);
    }

    /// <summary>Takes the lock of a folder.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="time">The clock.</param>
    /// <param name="note">Is told where a stale lock was taken over.</param>
    /// <exception cref="BadInputException">Another process holds it; the message names it.</exception>
    public static RunLock Take(string folder, TimeProvider time, Action<string>? note = null)
    {
        var owner = Owner.Read(Path.Combine(folder, OwnerName));
        FileStream file;
        try
        {
            file = new FileStream(Path.Combine(folder, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException fault)
        {
            throw InUse(folder, owner, time, fault);
        }

        try
        {
            if (owner is not null && owner.IsAlive(Path.Combine(folder, OwnerName), time))
                throw InUse(folder, owner, time, null);
            if (owner is not null)
                note?.Invoke($"took over the lock of {owner.Text(time)}, which ended without giving it back");
            return new RunLock(folder, file, time);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Gives the lock back.</summary>
    public void Dispose()
    {
        renewal.Dispose();
        try
        {
            File.Delete(ownerPath);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // The next process sees that this one is gone.
        }

        file.Dispose();
    }

    private static BadInputException InUse(string folder, Owner? owner, TimeProvider time, Exception? fault)
    {
        var message = $"Another process is running in {folder}{(owner is null ? "" : ": " + owner.Text(time))}. Wait for it to end, or name another folder with --out.";
        return fault is null ? new BadInputException(message) : new BadInputException(message, fault);
    }

    private void Renew(TimeProvider time)
    {
        try
        {
            File.SetLastWriteTimeUtc(ownerPath, time.GetUtcNow().UtcDateTime);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // A disk that is full or away shows in the run's own writes.
        }
    }

    /// <summary>Who holds the lock.</summary>
    private sealed record Owner(int Pid, string Host, DateTimeOffset Since, long Started)
    {
        public static Owner Here(TimeProvider time)
        {
            using var process = Process.GetCurrentProcess();
            return new Owner(process.Id, Environment.MachineName, time.GetUtcNow(), StartOf(process));
        }

        public static Owner? Read(string path)
        {
            try
            {
                return JsonSerializer.Deserialize<Owner>(File.ReadAllBytes(path));
            }
            catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException)
            {
                return null;
            }
        }

        /// <summary>On this machine: whether its process still is. On another: whether it renewed the lock of late.</summary>
        public bool IsAlive(string path, TimeProvider time)
        {
            if (Host != Environment.MachineName)
                return (time.GetUtcNow() - File.GetLastWriteTimeUtc(path)).Duration() < StaleAfter;
            if (Pid == Environment.ProcessId)
                return false;
            try
            {
                using var process = Process.GetProcessById(Pid);
                // Another process may have been given the number of one that is gone. Start times are read to a hundredth of a second.
                return Math.Abs(StartOf(process) - Started) < TimeSpan.TicksPerSecond;
            }
            catch (Exception fault) when (fault is ArgumentException or InvalidOperationException)
            {
                return false;
            }
        }

        public string Text(TimeProvider time)
        {
            // A clock that was set back must not make an age negative.
            var age = Math.Max(0, (time.GetUtcNow() - Since).TotalSeconds);
            return $"process {Pid} on {Host}, since {Since:yyyy-MM-dd HH:mm:ss} UTC ({Shown.Duration(age)})";
        }

        private static long StartOf(Process process) => process.StartTime.ToUniversalTime().Ticks;
    }
}
