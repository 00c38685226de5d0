using System.Text.Json;

using LlmRL.Gpu;
using LlmRL.Native;
using LlmRL.Runs;
using TorchSharp;

// What run.sh starts; see README.md beside this file.
switch (args)
{
    case ["check", var device, var models, var output]:
        return Check(device, models, output);
    case ["report", var folder]:
        return Results.Write(folder, Console.Out);
    default:
        Console.Error.WriteLine("""
            llmrl-gpu check cpu|cuda MODELS FILE   compares the device with the CPU's kernels; MODELS is the folder models/, FILE gets JSON
            llmrl-gpu report FOLDER                makes results.json and summary.md of what run.sh left in a folder
            """);
        return 2;
}

static int Check(string device, string models, string output)
{
    Startup.Prepare();
    NativeTorch.Threads = Environment.ProcessorCount;
    if (device == "cuda" && !torch.cuda.is_available())
    {
        Console.Error.WriteLine("this libtorch sees no CUDA device");
        return 2;
    }

    var checks = new DeviceChecks(models, torch.device(device));
    var rows = new List<CheckRow>();
    foreach (var (name, run) in DeviceChecks.ByName)
    {
        try
        {
            var found = run(checks);
            rows.Add(new(name, found.Measure, found.Error, found.Tolerance, found.Holds, null));
        }
        catch (Exception fault)
        {
            // One operator that the device lacks must not hide what the others do.
            rows.Add(new(name, "", null, null, false, fault.Message));
        }

        Console.WriteLine(rows[^1].ToText());
        AtomicFile.WriteAllText(output, JsonSerializer.Serialize(rows, Results.Layout));
    }

    var failed = rows.Count(row => !row.Holds);
    Console.WriteLine($"{rows.Count - failed} passed, {failed} failed");
    return failed == 0 ? 0 : 1;
}
