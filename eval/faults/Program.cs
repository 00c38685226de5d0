using System.Globalization;
using LlmRL.Faults;
using LlmRL.Runs;

// Bad days on purpose; see eval/reliability.md.
if (args is not [("kill" or "writes" or "memory") and var what, .. var rest] || rest.Length > 2)
{
    Console.Error.WriteLine("""
        llmrl-faults kill [COUNT=20] [SEED=1]     kills the program at random moments, resumes it, compares the bytes
        llmrl-faults writes [EVERY=1] [OFFSET=0]  lets every EVERY-th operation on the disk fail in turn, in three ways
        llmrl-faults memory [MINUTES=20]          memory over GRPO steps
        """);
    return 2;
}

double Number(int index, double otherwise) => rest.Length > index ? double.Parse(rest[index], CultureInfo.InvariantCulture) : otherwise;
var folder = Directory.CreateTempSubdirectory("llmrl-faults-").FullName;
var isGood = what switch
{
    "kill" => Kill((int)Number(0, 20), (ulong)Number(1, 1)),
    "writes" => Writes((int)Number(0, 1), (int)Number(1, 0)),
    _ => MemorySlope.Run(folder, TimeSpan.FromMinutes(Number(0, 20)), Console.WriteLine),
};
if (isGood)
    Directory.Delete(folder, recursive: true);
else
    Console.WriteLine($"what was found lies in {folder}");
return isGood ? 0 : 1;

bool Kill(int count, ulong seed)
{
    var good = new Kills(folder, seed).Run(count, Console.WriteLine);
    Console.WriteLine($"{good} of {count} kills: the same bytes as undisturbed");
    return good == count;
}

bool Writes(int every, int offset)
{
    var faults = new FaultedWrites(folder);
    var (tried, failed, bad) = (0, 0, 0);
    for (var n = 1 + offset; n <= faults.Operations; n += every)
    {
        foreach (var kind in Enum.GetValues<WriteFaultKind>())
        {
            var (problem, hasFailed) = faults.Try(n, kind);
            (tried, failed, bad) = (tried + 1, failed + (hasFailed ? 1 : 0), bad + (problem is null ? 0 : 1));
            if (problem is not null)
                Console.WriteLine($"{kind} at operation {n}: {problem}");
        }
    }

    Console.WriteLine($"{faults.Operations} operations; {tried} faults tried, {failed} ended the run, {tried - bad} of {tried} left nothing damaged and ended with the same bytes");
    return bad == 0;
}
