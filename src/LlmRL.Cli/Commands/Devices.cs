using LlmRL.Native;
using TorchSharp;

namespace LlmRL.Cli.Commands;

/// <summary>Picks the device that <c>--device</c> names.</summary>
internal static class Devices
{
    public static (torch.Device Device, string Text) Choose(string name)
    {
        foreach (var note in Startup.Prepare())
            Console.Error.WriteLine(note);
        NativeTorch.Threads = Environment.ProcessorCount;
        var hasCuda = name != "cpu" && torch.cuda.is_available();
        return name switch
        {
            "cpu" or "auto" when !hasCuda => (torch.CPU, $"cpu, {Environment.ProcessorCount} threads, libtorch {NativeTorch.Version}"),
            "cuda" when !hasCuda => throw new BadInputException("--device cuda: this libtorch sees no CUDA device. Use --device cpu, or name a libtorch built for CUDA with LIBTORCH=/path."),
            "cuda" or "auto" => (torch.CUDA, $"cuda, libtorch {NativeTorch.Version}"),
            _ => throw new BadInputException($"--device {name}: use auto, cpu or cuda."),
        };
    }
}
