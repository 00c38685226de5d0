using System.Globalization;

namespace LlmRL.Benchmarks;

/// <summary>The largest amount of memory that a process has held, as Linux counts it (VmHWM).</summary>
public static class ProcessMemory
{
    private const string PeakField = "VmHWM:", ResetPeak = "5";

    /// <summary>Megabytes (10⁶) that a process held at its peak; null where the system does not say.</summary>
    /// <param name="process">Its id; this process by default.</param>
    public static double? PeakMegabytes(int? process = null)
    {
        var path = $"/proc/{process?.ToString(CultureInfo.InvariantCulture) ?? "self"}/status";
        try
        {
            return File.Exists(path) && File.ReadLines(path).FirstOrDefault(line => line.StartsWith(PeakField, StringComparison.Ordinal)) is { } line
                ? double.Parse(line.AsSpan(PeakField.Length, line.IndexOf("kB", StringComparison.Ordinal) - PeakField.Length), CultureInfo.InvariantCulture) * 1024 / 1e6
                : null;
        }
        catch (IOException)
        {
            return null; // the process ended meanwhile
        }
    }

    /// <summary>Starts counting anew from what is held now, where the system allows it.</summary>
    public static void ForgetPeak()
    {
        try
        {
            File.WriteAllText("/proc/self/clear_refs", ResetPeak);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            // The peak then includes what was there before.
        }
    }
}
